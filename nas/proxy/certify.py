"""certify: train a sample of necks under a study's proxy and in full, and compare the rankings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from nas.errors import MissingDatabase
from nas.executors import Executor
from nas.proxy.evidence import from_plan
from nas.proxy.plan import Plan, make_plan
from nas.proxy.runs import Runs
from nas.search.summary import keep_certificate
from nas.search.workers import workers
from nas.storage import check_writable, known_study, open_store
from nas.studies.certificate import NECKS, SEEDS, THRESHOLD, Certificate
from nas.studies.metrics import INT8
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec
from nas.studies.task import timed_on
from nas.tasks.base import Say, Task


def certify(
    spec: StudySpec,
    *,
    storage: str,
    artifacts: str | Path | None = None,
    necks: int = NECKS,
    seeds: int = SEEDS,
    threshold: float = THRESHOLD,
    say: Say = lambda line: None,
) -> Certificate:
    """Certify or refute a study's proxy, and store the certificate.

    The study's baselines and `necks` sampled necks are trained with `seeds` seeds each, under the proxy and in full.
    Runs that the database has are not trained again, so that an interrupted certificate continues.

    Raises:
        UserError: the study cannot be set up, or no objective depends on the training.
        NASError: too few necks could be compared.
    """
    check_writable(storage, artifacts)
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    found: dict[Key, Evaluation] = {}
    failed: dict[str, str] = {}
    for task in dict.fromkeys((plan.proxy.task, plan.full.task)):
        with open_runs(plan, task, storage, artifacts, say) as runs:
            runs.failed |= failed
            # The proxy's come first: the study can reuse them.
            for half, what in ((plan.proxy, "proxy"), (plan.full, "full training")):
                if half.task is task:
                    runs.complete(half.runs, what)
        found |= runs.found
        failed |= runs.failed
    certificate = from_plan(plan, found, failed).certificate(threshold)
    with open_store(storage, create=True) as store:
        keep_certificate(certificate, store, spec.name)
    return certificate


@contextmanager
def open_runs(plan: Plan, task: Task, storage: str, artifacts: str | Path | None, say: Say) -> Iterator[Runs]:
    """Runs of a task of the plan, recorded in the database. Workers start when there is something to train."""
    spec = plan.setup.spec
    with ExitStack() as stack:

        @cache
        def start() -> Executor:
            return stack.enter_context(workers(spec, task, say))

        try:
            with open_store(storage, create=False):
                pass
        except MissingDatabase:
            start()  # before anything is written: a cluster that cannot be joined leaves no database behind
        store = stack.enter_context(open_store(storage, create=True, artifacts=artifacts))
        for kind, data in task.shared().items():
            store.put_artifact(f"task/{task.fingerprint}", kind, data)
        constant = any(half.spec.schedule == "constant" for half in (plan.proxy, plan.full) if half.task is task)
        metrics = {"latency_ms", *INT8} & spec.metrics_needed
        target = timed_on(spec.task.latency_target, task.device)
        yield Runs(store, start, plan.setup.machine, say, target=target, metrics=metrics, prefixes=constant)
