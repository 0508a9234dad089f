"""certify: train spread necks under a study's proxy and in full, and tell how well the one ranks for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from nas.errors import MissingDatabase
from nas.executors import Executor
from nas.proxy.evidence import of_two_halves
from nas.proxy.plan import Plan, make_plan
from nas.proxy.runs import Runs
from nas.search.summary import keep_certificate
from nas.search.workers import workers
from nas.storage import check_writable, known_study, open_store
from nas.studies.certificate import NECKS, SEEDS, THRESHOLD, Certificate
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec
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
    check_writable(storage, artifacts)
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    found: dict[Key, Evaluation] = {}
    failed: dict[str, str] = {}
    for task in dict.fromkeys((plan.proxy.task, plan.full.task)):
        with runner(plan, task, storage, artifacts, say) as runs:
            runs.failed |= failed
            # The proxy's come first: they serve the study too.
            for half, what in ((plan.proxy, "proxy"), (plan.full, "full training")):
                if half.task is task:
                    runs.carry_out(half.runs, what)
        found |= runs.found
        failed |= runs.failed
    certificate = of_two_halves(plan, found, failed).certificate(threshold)
    with open_store(storage, create=True) as store:
        keep_certificate(certificate, store, spec.name)
    return certificate


@contextmanager
def runner(plan: Plan, task: Task, storage: str, artifacts: Path | None, say: Say) -> Iterator[Runs]:
    """Runs of a task of the plan, and the database that they are recorded to. Workers are started on the study's
    executor when there is a run to train.
    """
    spec = plan.setup.spec
    with ExitStack() as stack:

        @cache
        def start() -> Executor:
            return stack.enter_context(workers(spec, task, say))

        if not _is_there(storage):
            start()  # before anything is written: a cluster that cannot be joined leaves no database behind
        store = stack.enter_context(open_store(storage, create=True, artifacts=artifacts))
        for kind, data in task.shared().items():
            store.put_artifact(f"task/{task.fingerprint}", kind, data)
        yield Runs(store, start, plan.setup.machine, say, target=spec.task.latency_target)


def _is_there(storage: str) -> bool:
    try:
        with open_store(storage, create=False):
            return True
    except MissingDatabase:
        return False
