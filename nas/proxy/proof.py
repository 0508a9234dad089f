"""certify: train spread necks under a study's proxy and in full, and tell how well the one ranks for the other."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas.certificate import NECKS, SEEDS, THRESHOLD, Certificate
from nas.errors import MissingDatabase
from nas.executors import EXECUTORS
from nas.measurement import Evaluation, Key
from nas.proxy.evidence import of_two_halves
from nas.proxy.plan import Plan, make_plan
from nas.proxy.runs import Run, Runs, recorded
from nas.search.driver import known_study, quiet, sum_up, terminated_as_interrupted
from nas.storage import Store, open_store
from nas.study import StudySpec
from nas.tasks.base import Task

Say = Callable[[str], None]


def certify(
    spec: StudySpec,
    *,
    storage: str,
    artifacts: Path | None = None,
    necks: int = NECKS,
    seeds: int = SEEDS,
    threshold: float = THRESHOLD,
    say: Say = lambda line: None,
) -> Certificate:
    """Prove or refute a study's proxy, and keep the certificate in the database.

    Trains the study's baselines and `necks` spread necks of its space, each with `seeds` seeds, under the proxy and in
    full. What the database has is not trained again, and what an interrupt leaves is gone on with.

    Raises:
        UserError: the study cannot be set up as asked, or no objective depends on the training.
        NASError: too few necks could be compared.
    """
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    found: dict[Key, Evaluation] = {}
    failed: dict[str, str] = {}
    named = {"proxy": plan.proxy, "full training": plan.full}  # the proxy's come first: they serve the study too
    for task in dict.fromkeys(half.task for half in named.values()):
        halves = {what: half for what, half in named.items() if half.task is task}
        with runner(
            plan, task, [run for half in halves.values() for run in half.runs], storage, artifacts, say
        ) as runs:
            runs.failed |= failed
            for what, half in halves.items():
                runs.carry_out(half.runs, what)
        found |= runs.found
        failed |= runs.failed
    certificate = of_two_halves(plan, found, failed).certificate(threshold)
    with open_store(storage, create=True) as store:
        keep(certificate, store, spec.name)
    return certificate


@contextmanager
def runner(
    plan: Plan, task: Task, runs: Iterable[Run], storage: str, artifacts: Path | None, say: Say
) -> Iterator[Runs]:
    """Workers for runs of a task of the plan, on the study's executor, and the database that they record to. Where that
    has all of them, nothing is started.
    """
    from nas.trial import evaluate

    spec = plan.setup.spec
    kind, given = ("local", task) if _has_all(storage, runs) else (spec.executor, task.filled(say))
    with (
        # Before anything is written: a cluster that cannot be joined leaves no database behind.
        EXECUTORS[kind](evaluate, given, spec.workers, spec.address) as executor,
        terminated_as_interrupted(),
        open_store(storage, create=True, artifacts=artifacts) as store,
    ):
        for kind, data in task.shared().items():
            store.put_artifact(f"task/{task.fingerprint}", kind, data)
        yield Runs(
            store, executor, platform.node() if spec.address is None else None, say, target=spec.task.latency_target
        )


def _has_all(storage: str, runs: Iterable[Run]) -> bool:
    try:
        with open_store(storage, create=False) as store:
            return all(recorded(store, run) is not None for run in runs)
    except MissingDatabase:
        return False


def keep(certificate: Certificate, store: Store, name: str | None) -> None:
    """Keep a certificate, and renew the dashboard's note of the study `name`, if it was launched already."""
    import optuna

    store.keep_certificate(certificate)
    if name is not None and store.study(name) is not None:
        with quiet(optuna), suppress(KeyError):  # killed before it had trials
            sum_up(store, optuna.load_study(study_name=name, storage=store.optuna))
