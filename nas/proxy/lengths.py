"""cheapest: the shortest training that ranks necks as the full one does, read off the curves of full trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.certificate import NECKS, SEEDS, THRESHOLD, Certificate
from nas.errors import Fault, SpecError
from nas.measurement import Evaluation, Key
from nas.proxy.evidence import complete, of_a_start, points
from nas.proxy.plan import Half, Plan, make_plan, only_epochs_differ
from nas.proxy.proof import keep, runner
from nas.proxy.runs import Runs
from nas.search.driver import known_study
from nas.storage import open_store
from nas.study import StudySpec

Say = Callable[[str], None]

BLOCK = 4
"""Necks that are trained between two looks at what can be told already."""


def cheapest(
    spec: StudySpec,
    *,
    storage: str,
    artifacts: Path | None = None,
    necks: int = NECKS,
    seeds: int = SEEDS,
    threshold: float = THRESHOLD,
    say: Say = lambda line: None,
) -> list[Certificate]:
    """Certificates of the proxies of every length, shortest first; the first that is certified is kept in the database.

    At a constant rate a short run is the start of a long one, so that the full runs of spread necks tell of all lengths
    at once; each is judged against the ends of runs with other seeds. It stops before all necks are trained once it is
    clear which length it will be.

    Raises:
        UserError: the study cannot be set up as asked, or its runs are not starts of longer ones.
        NASError: too few necks could be compared.
    """
    _check(spec, seeds)
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    with runner(plan, plan.full.task, storage, artifacts, say) as runs:
        found = _certificates(plan, runs, threshold, say)
    chosen = next((c for c in found if c.certified), None)
    if chosen is not None:
        with open_store(storage, create=True) as store:
            keep(chosen, store, spec.name)
    return found


def _check(spec: StudySpec, seeds: int) -> None:
    faults = []
    if spec.full_task.schedule != "constant":
        faults.append(Fault("task.schedule", "only at a constant rate is a short run the start of a long one"))
    if not only_epochs_differ(spec):
        faults.append(Fault("full", "may differ from task in its epochs alone, for lengths are what is searched"))
    if seeds < 2:
        faults.append(Fault("--seeds", "it takes two or more, for a run is judged by other seeds than its own"))
    if faults:
        raise SpecError(spec.name or "study", faults)


def _certificates(plan: Plan, runs: Runs, threshold: float, say: Say) -> list[Certificate]:
    """Of every length, from as many necks as it takes."""
    names = list(plan.full.rows)
    certificates: list[Certificate] = []
    for count in sorted({min(n, len(names)) for n in range(3 * BLOCK, len(names) + BLOCK, BLOCK)}):
        half = Half(plan.full.spec, plan.full.task, {name: plan.full.rows[name] for name in names[:count]})
        runs.carry_out(half.runs, f"full training of {count} necks")
        certificates = _of_lengths(plan, half, runs.found, runs.failed, threshold)
        if settled(certificates):
            say(f"{count} of {len(names)} necks are enough")
            break
    return certificates


def _of_lengths(
    plan: Plan, half: Half, found: dict[Key, Evaluation], failed: dict[str, str], threshold: float
) -> list[Certificate]:
    rows, lost = complete(plan, half, found, failed)
    first = next(iter(rows.values()))[0]
    lengths = [epoch for epoch, _, _ in points(first, plan.objective.metric)][:-1]
    return [of_a_start(plan, rows, epochs, lost).certificate(threshold) for epochs in lengths]


def settled(certificates: list[Certificate]) -> bool:
    """Whether more necks can hardly change the choice: all of a length's interval is above the threshold, and all of
    every shorter one's below.
    """
    for certificate in certificates:
        if certificate.low >= certificate.threshold:
            return True
        if certificate.high >= certificate.threshold:
            return False
    return False
