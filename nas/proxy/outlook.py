"""outlook: what a certificate would train, how much of that is recorded, and how long the rest may take."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack, suppress

from nas.errors import MissingDatabase
from nas.models.cost import total_parameters
from nas.proxy.plan import Half, make_plan
from nas.storage import Store, known_study, open_store
from nas.studies.certificate import NECKS, SEEDS
from nas.studies.spec import StudySpec
from nas.value import Value

Say = Callable[[str], None]


class Workload(Value):
    """One half of a certificate: its runs, those that the database has, and seconds of training in the others.

    `left` is told from the recorded runs of the same task, by their seconds an epoch; None where there are none.
    """

    epochs: int
    runs: int
    recorded: int
    left: float | None


class Outlook(Value):
    """The necks by name with the parameters of the whole model, how many seeds each gets, and both trainings."""

    necks: dict[str, int]
    seeds: int
    proxy: Workload
    full: Workload


def outlook(
    spec: StudySpec, *, storage: str, necks: int = NECKS, seeds: int = SEEDS, say: Say = lambda line: None
) -> Outlook:
    """What `certify` would do; nothing is trained, and nothing written.

    Raises:
        UserError: what `certify` would refuse.
    """
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    with ExitStack() as stack:
        store: Store | None = None
        with suppress(MissingDatabase):  # then there are no runs
            store = stack.enter_context(open_store(storage, create=False))
        return Outlook(
            necks={name: total_parameters(row[0].architecture) for name, row in plan.full.rows.items()},
            seeds=seeds,
            proxy=_workload(plan.proxy, store),
            full=_workload(plan.full, store),
        )


def _workload(half: Half, store: Store | None) -> Workload:
    known = [e for e in store.evaluations(half.task.fingerprint) if e.state == "complete"] if store is not None else []
    recorded = {e.key for e in known}
    missing = sum(run.key not in recorded for run in half.runs)
    pace = statistics.median(e.measurement.seconds / e.key.epochs for e in known) if known else None
    return Workload(
        epochs=half.spec.epochs,
        runs=len(half.runs),
        recorded=len(half.runs) - missing,
        left=pace * missing * half.spec.epochs if pace is not None else None,
    )
