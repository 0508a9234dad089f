"""outlook: what a certificate would train, how much of that is recorded, and how long the rest may take."""

from __future__ import annotations

import statistics
from contextlib import suppress

from nas.errors import MissingDatabase
from nas.models.cost import total_parameters
from nas.proxy.plan import Half, make_plan
from nas.storage import known_study, open_store
from nas.studies.certificate import NECKS, SEEDS
from nas.studies.records import Evaluation
from nas.studies.spec import StudySpec
from nas.tasks.base import Say
from nas.value import Value


class Workload(Value):
    """The runs of one half of a certificate.

    Attributes:
        recorded: how many of them the database has.
        left: seconds of training in the others, by the recorded seconds an epoch; None if nothing is recorded.
    """

    epochs: int
    runs: int
    recorded: int
    left: float | None


class Outlook(Value):
    """What a certificate would train. `necks` maps names to the parameters of the whole model."""

    necks: dict[str, int]
    seeds: int
    proxy: Workload
    full: Workload


def outlook(
    spec: StudySpec, *, storage: str, necks: int = NECKS, seeds: int = SEEDS, say: Say = lambda line: None
) -> Outlook:
    """What `certify` would train; nothing is trained or written.

    Raises:
        UserError: `certify` would refuse the study.
    """
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    return Outlook(
        necks={name: total_parameters(row[0].architecture) for name, row in plan.full.rows.items()},
        seeds=seeds,
        proxy=_workload(plan.proxy, storage),
        full=_workload(plan.full, storage),
    )


def _workload(half: Half, storage: str) -> Workload:
    known: list[Evaluation] = []
    with suppress(MissingDatabase), open_store(storage, create=False) as store:
        known = [e for e in store.evaluations(half.task.fingerprint) if e.state == "complete"]
    recorded = sum(run.key in {e.key for e in known} for run in half.runs)
    missing = len(half.runs) - recorded
    pace = statistics.median(e.measurement.seconds / e.key.epochs for e in known) if known else None
    return Workload(
        epochs=half.spec.epochs,
        runs=len(half.runs),
        recorded=recorded,
        left=pace * missing * half.spec.epochs if pace is not None else None,
    )
