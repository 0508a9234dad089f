"""cheapest: the setting and length of training that ranks necks as the full training does at the lowest cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nas.errors import Fault, NASError, SpecError, UserError
from nas.proxy.evidence import complete, of_starts
from nas.proxy.plan import Half, Plan, make_plan, short_half
from nas.proxy.proof import runner
from nas.proxy.runs import Runs
from nas.proxy.settings import SETTINGS, difference, same_but_for_epochs
from nas.search.summary import keep_certificate
from nas.storage import check_writable, known_study, open_store
from nas.studies.certificate import NECKS, SEEDS, THRESHOLD, Certificate, first_certified, trained_objective
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec, TaskSpec
from nas.tasks.training import FIRST, milestones

Say = Callable[[str], None]

ENOUGH = 20
"""Necks that a choice takes, however clear it is before; that there is none may be clear with fewer."""

BLOCK = 4
"""Necks that are trained between two looks at what can be told already."""

LONGEST = 0.25
"""Part of the full training's epochs that another setting may take, where no start of the full training will do."""


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
    """Certificates of proxies of every length and setting, cheapest first; the first that is certified is kept in the
    database, and that of the study's own proxy, where the curves have a point at its length.

    At a constant rate a short run is the start of a long one, so that the full runs of spread necks tell of all their
    lengths at once; each is judged by the ends of the runs with other seeds. Then come the study's own proxy, if it
    differs in more than its length, and SETTINGS: short runs, no longer than what is known to do, judged likewise. Each
    stops before all necks are trained once it is clear which length it will be, or that none will.

    Raises:
        UserError: the study cannot be set up as asked, or its runs are not starts of longer ones.
        NASError: too few necks could be compared.
    """
    check_search(spec, seeds)
    check_writable(storage, artifacts)
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    objective = trained_objective(spec)
    assert objective is not None  # or there was no plan
    with runner(plan, plan.full.task, storage, artifacts, say) as runs:
        found = _certificates(plan, plan.full, runs, {}, objective.metrics, threshold, say)
        known = dict(runs.found)
    if spec.task.epochs not in milestones(spec.full_task.epochs):
        way = "`nas proxy` without --search judges that length"
        say(f"not judged: task.epochs {spec.task.epochs}, where the curves have no point; {way}")
    for task in _others(spec):
        known_to_do = [c.proxy.task.epochs for c in found if any(map(c.certifies, objective.metrics))]
        limit = min(known_to_do, default=LONGEST * spec.full_task.epochs)
        own = task.epochs if task is spec.task else 0  # the study's own proxy is judged whatever is known
        lengths = [epochs for epochs in milestones(spec.full_task.epochs) if epochs < limit or epochs <= own]
        if not lengths:
            say(f"not tried: {difference(task, spec.full_task)}, for no run is shorter than {limit:g} epochs")
            continue
        say(f"trying {difference(task, spec.full_task)}")
        half = short_half(plan, task.model_copy(update={"epochs": lengths[-1]}), say)
        half = replace(half, rows={name: half.rows[name] for name in _trained(plan, known)})
        try:
            with runner(plan, half.task, storage, artifacts, say) as runs:
                found += _certificates(plan, half, runs, known, objective.metrics, threshold, say)
        except UserError:
            raise
        except NASError as error:  # a setting that cannot be trained is none; what was found before it stands
            say(f"left out: {error}")
    found.sort(key=lambda c: c.cost_ratio)
    chosen = first_certified(found, spec)
    kept = [c for c in found if c is chosen or _is_own(c, spec)]  # the study's own proxy, whatever is said of it
    if kept:
        with open_store(storage, create=True) as store:
            for certificate in kept:
                keep_certificate(certificate, store, spec.name)
    return found


def _is_own(certificate: Certificate, spec: StudySpec) -> bool:
    task = certificate.proxy.task
    return task.epochs == spec.task.epochs and same_but_for_epochs(task, spec.task)


def check_search(spec: StudySpec, seeds: int) -> None:
    """Whether a study's runs can be searched for the cheapest proxy.

    Raises:
        SpecError: they cannot.
    """
    faults = []
    for key, task in (("task", spec.task), ("full", spec.full_task)):
        if task.schedule != "constant":
            faults.append(Fault(f"{key}.schedule", "only at a constant rate is a short run the start of a long one"))
    if len(milestones(spec.full_task.epochs)) < 2:
        message = f"a curve of {spec.full_task.epochs} epochs has no start to be judged: take {FIRST + 1} or more"
        faults.append(Fault("full.epochs", message))
    if seeds < 2:
        faults.append(Fault("--seeds", "it takes two or more, for a run is judged by other seeds than its own"))
    if faults:
        raise SpecError(spec.name or "study", faults[:1])


def _others(spec: StudySpec) -> Iterator[TaskSpec]:
    """The settings to try beside the full training's, each once."""
    seen = [spec.full_task]
    for task in (spec.task, *(setting(spec.full_task) for setting in SETTINGS.values())):
        if not any(same_but_for_epochs(task, other) for other in seen):
            seen.append(task)
            yield task


def _trained(plan: Plan, found: dict[Key, Evaluation]) -> Sequence[str]:
    """Names of the necks that have all their full runs."""
    return [name for name, row in plan.full.rows.items() if all(run.key in found for run in row)]


def _certificates(
    plan: Plan,
    half: Half,
    runs: Runs,
    known: dict[Key, Evaluation],
    metrics: Sequence[str],
    threshold: float,
    say: Say,
) -> list[Certificate]:
    """Of every length of a half's runs, from as many necks as it takes for one of the `metrics`; `known` are the full
    runs, where those are others.
    """
    names = list(half.rows)
    certificates: list[Certificate] = []
    what = "full training" if half is plan.full else "short training"
    for count in (*range(3 * BLOCK, len(names), BLOCK), len(names)):
        part = replace(half, rows={name: half.rows[name] for name in names[:count]})
        runs.carry_out(part.runs, f"{what} of {count} necks")
        try:
            rows, lost = complete(plan, names[:count], known | runs.found, runs.failed)
        except NASError:
            if count < len(names):
                continue  # there are more to come
            raise
        certificates = [e.certificate(threshold) for e in of_starts(plan, half, rows, known | runs.found, lost)]
        hopeless = all(c.interval(m)[1] < threshold for c in certificates for m in metrics)
        if count < len(names) and (hopeless or (count >= ENOUGH and is_clear(certificates, metrics))):
            say(f"{count} of {len(names)} necks are enough")
            break
    return certificates


def is_clear(certificates: Sequence[Certificate], metrics: Sequence[str]) -> bool:
    """Whether more necks can hardly change the choice: by one of the metrics all of a length's interval is above the
    threshold, and by each all of every shorter one's below.
    """
    for certificate in certificates:
        lows, highs = zip(*map(certificate.interval, metrics), strict=True)
        if max(lows) >= certificate.threshold:
            return True
        if max(highs) >= certificate.threshold:
            return False
    return False
