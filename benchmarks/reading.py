"""How long it takes to read a study of thousands of trials, beside Optuna's own reading of the same study.

It needs a database, which `benchmarks/scale.py --storage` makes. Times are medians of CPU seconds without imports;
`nas ls` and `nas show` are timed as programs too, with their start-up. `ratio` is Optuna's time over ours.

Run it by `python benchmarks/reading.py sqlite:///scale.db scale --json`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import optuna

from nas.cli import main as nas_main
from nas.storage import Store, open_store
from nas.storage.results import overview, overviews, result, trial_facts
from nas.storage.rows import curves, trial_rows


def seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of a call, the median."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def by_optuna(store: Store, study: str) -> int:
    """What Optuna's own `get_trials` reads."""
    return len(optuna.load_study(study_name=study, storage=store.optuna).get_trials(deepcopy=False))


def verb(*words: str) -> None:
    """A verb of the command line in this process, its output thrown away."""
    with contextlib.redirect_stdout(io.StringIO()):
        if nas_main(list(words)):
            sys.exit(f"nas {' '.join(words)} failed")


def program(*words: str) -> float:
    """CPU seconds of a verb as a program, start-up included."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "nas", *words], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measure(storage: str, study: str, repeats: int) -> dict[str, Any]:
    """The figures of one database."""
    at = ("--storage", storage)
    with open_store(storage, create=False) as store:
        trials = by_optuna(store, study)
        first = next(iter(trial_rows(store, study)))
        works: dict[str, Callable[[], object]] = {
            "optuna get_trials": lambda: by_optuna(store, study),
            "nas ls": lambda: verb("ls", *at),
            "nas show STUDY": lambda: verb("show", study, *at),
            "nas show STUDY TRIAL": lambda: verb("show", study, str(first.trial), *at),
            "overviews": lambda: overviews(store),
            "overview": lambda: overview(store, study),
            "trial_facts": lambda: trial_facts(store, study, first.trial),
            "trial_rows": lambda: trial_rows(store, study),
            "curves": lambda: curves(store, study, overview(store, study).objectives[0].metric),
            "result": lambda: result(store, study),
        }
        times = {name: seconds(work, repeats) for name, work in works.items()}
    optuna_seconds = times.pop("optuna get_trials")
    return {
        "trials": trials,
        "optuna_seconds": optuna_seconds,
        "seconds": times,
        "ratio": {name: optuna_seconds / own for name, own in times.items()},
        "program_seconds": {
            name: statistics.median(program(*words, *at) for _ in range(repeats))
            for name, words in {"nas ls": ["ls"], "nas show STUDY": ["show", study]}.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("storage")
    parser.add_argument("study")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.storage, args.study, args.repeats)
    if args.json:
        print(json.dumps(found))
        return
    print(f"{found['trials']} trials; Optuna's get_trials {found['optuna_seconds']:.2f} s")
    for name, own in found["seconds"].items():
        print(f"{name:22} {own:7.3f} s   {found['ratio'][name]:7.1f}x")
    for name, own in found["program_seconds"].items():
        print(f"{name:22} {own:7.3f} s   with start-up")


if __name__ == "__main__":
    main()
