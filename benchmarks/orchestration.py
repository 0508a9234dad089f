"""Trials a second when a trial does nothing: this package, Optuna in process, and Ray Tune with OptunaSearch.

Every contestant samples the shipped space `pyramid` with the same TPE, reports five values a trial, and keeps the study
in a new SQLite file. Each run has a process of its own. The rate counts from the end of the first trial to the end of
the last, by the times in the database; the time to the first trial counts from the start of the process.

Run it by `python benchmarks/orchestration.py --json`. Ray Tune needs `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

CONTESTANTS = ("nas", "optuna", "tune", "tune_reused")
NAME = "orchestration"
WORKERS = 2


class Run(NamedTuple):
    """One run of one contestant.

    Attributes:
        rate: trials a second after the first.
        first: seconds from the start of the process to the end of the first trial.
        trials: those with a result.
    """

    rate: float
    first: float
    trials: int


def run_nas(url: str, trials: int, seed: int) -> None:
    import noop

    import nas
    from nas.executors import Evaluate
    from nas.executors.ray import RayExecutor
    from nas.studies.spec import Workers

    def idle(evaluate: Evaluate, context: Any, workers: Workers, address: str | None) -> RayExecutor:
        return RayExecutor(noop.nothing, None, workers, address)

    nas.register("executors", "noop", idle)
    study = noop.study(NAME, trials, WORKERS, "noop", seed) | {"sampler": "tpe"}
    nas.launch(study, storage=url, say=lambda line: None)


def run_optuna(url: str, trials: int, seed: int) -> None:
    import noop
    import optuna

    def objective(trial: optuna.Trial) -> float:
        suggest(trial)
        value = 0.0
        for epoch in range(1, noop.REPORTS + 1):
            value = noop.score(str(sorted(trial.params.items()))) * epoch / noop.REPORTS
            trial.report(value, epoch)
        return value

    study = optuna.create_study(storage=url, study_name=NAME, direction="maximize", sampler=sampler(seed))
    study.optimize(objective, n_trials=trials)


def run_tune(url: str, trials: int, seed: int, reuse: bool = False) -> None:
    import noop
    import optuna
    import ray
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    class Noop(tune.Trainable):  # only a class can be reused
        def setup(self, config: dict[str, Any]) -> None:
            self.config, self.epoch = config, 0

        def step(self) -> dict[str, Any]:
            self.epoch += 1
            value = noop.score(str(sorted(self.config.items()))) * self.epoch / noop.REPORTS
            return {"ap": value, "done": self.epoch == noop.REPORTS}

        def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
            return {"epoch": self.epoch}

        def load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            self.epoch = checkpoint["epoch"]

        def reset_config(self, config: dict[str, Any]) -> bool:
            self.setup(config)
            return True

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    storage = optuna.storages.RDBStorage(url)
    search = OptunaSearch(
        space=suggest, metric="ap", mode="max", sampler=sampler(seed), storage=storage, study_name=NAME
    )
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(Noop, {"cpu": 1}),
            tune_config=tune.TuneConfig(
                search_alg=ConcurrencyLimiter(search, WORKERS), num_samples=trials, reuse_actors=reuse
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    ray.shutdown()


def suggest(trial: Any) -> None:
    """Ask a trial of Optuna for the parameters of a neck."""
    import noop

    from nas.necks.architecture import Frame
    from nas.studies import catalog

    catalog.read_space("pyramid").suggest(trial, Frame(channels=noop.CHANNELS, image_size=160))


def sampler(seed: int) -> Any:
    """The TPE of a study of this package without options."""
    import optuna

    return optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


RUNS: dict[str, Callable[[str, int, int], None]] = {
    "nas": run_nas,
    "optuna": run_optuna,
    "tune": run_tune,
    "tune_reused": lambda url, trials, seed: run_tune(url, trials, seed, reuse=True),
}


def measured(contestant: str, trials: int, seed: int) -> Run:
    """Run a contestant in a process of its own, and read the times from its database."""
    import optuna

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'study.db'}"
        command = [sys.executable, __file__, "--one", contestant, url, "--trials", str(trials), "--seed", str(seed)]
        quiet = os.environ | {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "0"}
        started = time.time()
        done = subprocess.run(command, env=quiet, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{contestant} failed:\n{done.stderr}")
        study = optuna.load_study(study_name=NAME, storage=url)
        ends = [t.datetime_complete.timestamp() for t in study.get_trials(deepcopy=False) if t.value is not None]
        counts = {len(t.intermediate_values) for t in study.get_trials(deepcopy=False) if t.value is not None}
    if contestant in ("nas", "optuna") and counts != {5}:
        sys.exit(f"{contestant} kept {counts} values a trial, not 5")
    return Run((len(ends) - 1) / (max(ends) - min(ends)), min(ends) - started, len(ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--tune-trials", type=int, default=20, help="of Ray Tune, whose default is slow")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("CONTESTANT", "URL"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        warnings.simplefilter("ignore")
        RUNS[args.one[0]](args.one[1], args.trials, args.seed)
        return

    runs: dict[str, list[Run]] = {name: [] for name in args.only}
    for repeat in range(args.repeats):  # in turn, so that a slow minute of the machine is shared
        for name in args.only:
            trials = args.tune_trials if name == "tune" else args.trials
            runs[name].append(measured(name, trials, args.seed + repeat))
            print(f"{name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    rates = {name: statistics.median(run.rate for run in own) for name, own in runs.items()}
    firsts = {name: statistics.median(run.first for run in own) for name, own in runs.items()}
    if args.json:
        print(json.dumps(rates | {"first_trial_seconds": firsts}))
        return
    print(f"{psutil.cpu_count()} cores, {WORKERS} workers, {args.trials} trials, medians of {args.repeats}")
    for name in args.only:
        spread = ", ".join(f"{run.rate:.2f}" for run in runs[name])
        print(f"{name:12} {rates[name]:7.2f} trials/s ({spread}); first trial after {firsts[name]:.1f} s")


if __name__ == "__main__":
    main()
