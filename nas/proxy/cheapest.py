"""cheapest: the shortest training, under any setting, that ranks necks as the full training does at the lowest cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nas.errors import Fault, NASError, SpecError, UserError
from nas.proxy.certify import open_runs
from nas.proxy.evidence import from_prefixes, usable_rows
from nas.proxy.plan import Half, Plan, make_plan, short_half
from nas.proxy.runs import Runs
from nas.proxy.settings import SETTINGS, difference, equal_except_epochs
from nas.search.summary import keep_certificate
from nas.storage import check_writable, known_study, open_store
from nas.studies.certificate import NECKS, SEEDS, THRESHOLD, Certificate, first_certified, trained_objective
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec, TaskSpec
from nas.tasks.base import Say
from nas.tasks.training import FIRST_MEASURED, milestones

ENOUGH = 20
"""Fewest necks behind a choice. With fewer, a setting can only be rejected."""

BLOCK = 4
"""Necks that are trained between two looks at the figures."""

LONGEST = 0.25
"""Longest proxy of another setting, as a share of the full epochs, where no start of the full training is certified."""


def cheapest(
    spec: StudySpec,
    *,
    storage: str,
    artifacts: str | Path | None = None,
    necks: int = NECKS,
    seeds: int = SEEDS,
    threshold: float = THRESHOLD,
    say: Say = lambda line: None,
) -> list[Certificate]:
    """Certificates of proxies of every length and setting, cheapest first.

    At a constant rate a short run is the start of a long one, so that the full runs show all their lengths at once.
    Then the study's own proxy, if more than its length differs, and SETTINGS are trained, no longer than the length
    that is known to be enough. All are judged by the full runs of other seeds. Training stops when more necks can
    hardly change the choice. The first certified certificate is stored, and that of the study's own proxy.

    Raises:
        UserError: the study cannot be set up, or its short runs are not starts of longer ones.
        NASError: too few necks could be compared.
    """
    check_search(spec, seeds)
    check_writable(storage, artifacts)
    plan = make_plan(spec, known_study(storage, spec.name), necks, seeds, say)
    objective = trained_objective(spec)
    assert objective is not None  # otherwise there is no plan
    metrics, epochs = objective.metrics, milestones(spec.full_task.epochs)
    with open_runs(plan, plan.full.task, storage, artifacts, say) as runs:
        found = _certificates(plan, plan.full, runs, {}, metrics, threshold, say)
        full = dict(runs.found)
    if spec.task.epochs not in epochs:
        way = "`nas proxy` without --search judges that length"
        say(f"not judged: task.epochs {spec.task.epochs}, where the curves have no point; {way}")
    trained = [name for name, row in plan.full.rows.items() if all(run.key in full for run in row)]
    for task in _other_settings(spec):
        enough = [c.proxy.task.epochs for c in found if any(map(c.certifies, metrics))]
        limit = min(enough, default=LONGEST * spec.full_task.epochs)
        own = task.epochs if task is spec.task else 0  # the study's own proxy is judged in any case
        lengths = [length for length in epochs if length < limit or length <= own]
        if not lengths:
            say(f"not tried: {difference(task, spec.full_task)}, for no run is shorter than {limit:g} epochs")
            continue
        say(f"trying {difference(task, spec.full_task)}")
        half = short_half(plan, task.model_copy(update={"epochs": lengths[-1]}), say)
        half = replace(half, rows={name: half.rows[name] for name in trained})
        try:
            with open_runs(plan, half.task, storage, artifacts, say) as runs:
                found += _certificates(plan, half, runs, full, metrics, threshold, say)
        except UserError:
            raise
        except NASError as error:  # only this setting cannot be trained
            say(f"left out: {error}")
    found.sort(key=lambda c: c.cost_ratio)
    chosen = first_certified(found, spec)
    for certificate in found:
        task = certificate.proxy.task
        own_proxy = task.epochs == spec.task.epochs and equal_except_epochs(task, spec.task)
        if certificate is chosen or own_proxy:
            with open_store(storage, create=True) as store:
                keep_certificate(certificate, store, spec.name)
    return found


def check_search(spec: StudySpec, seeds: int) -> None:
    """Check that short runs of the study are starts of its full runs.

    Raises:
        SpecError: they are not.
    """
    faults = [
        Fault(f"{key}.schedule", "only at a constant rate is a short run the start of a long one: set it to constant")
        for key, task in (("task", spec.task), ("full", spec.full_task))
        if task.schedule != "constant"
    ]
    if len(milestones(spec.full_task.epochs)) < 2:
        least = FIRST_MEASURED + 1
        message = f"a curve of {spec.full_task.epochs} epochs has no start to be judged: take {least} or more"
        faults.append(Fault("full.epochs", message))
    if seeds < 2:
        faults.append(Fault("--seeds", "each run is judged by other seeds than its own: take 2 or more"))
    if faults:
        raise SpecError(spec.name or "study", faults[:1])


def _other_settings(spec: StudySpec) -> Iterator[TaskSpec]:
    """The settings to try beside the full training's, each once."""
    seen = [spec.full_task]
    for task in (spec.task, *(setting(spec.full_task) for setting in SETTINGS.values())):
        if not any(equal_except_epochs(task, other) for other in seen):
            seen.append(task)
            yield task


def _certificates(
    plan: Plan,
    half: Half,
    runs: Runs,
    full: dict[Key, Evaluation],
    metrics: Sequence[str],
    threshold: float,
    say: Say,
) -> list[Certificate]:
    """Certificates of every length of a half's runs, from as many necks as the choice needs.

    Args:
        full: the full runs, unless `half` is theirs.
        metrics: the objective and its fallback. One of them has to be certified.
    """
    names = list(half.rows)
    certificates: list[Certificate] = []
    what = "full training" if half is plan.full else "short training"
    for count in (*range(3 * BLOCK, len(names), BLOCK), len(names)):
        runs.complete(
            replace(half, rows={name: half.rows[name] for name in names[:count]}).runs, f"{what} of {count} necks"
        )
        known = full | runs.found
        try:
            rows, lost = usable_rows(plan, names[:count], known, runs.failed)
        except NASError:
            if count < len(names):
                continue  # later necks may make up for those that failed
            raise
        certificates = [evidence.certificate(threshold) for evidence in from_prefixes(plan, half, rows, known, lost)]
        hopeless = all(c.interval(m)[1] < threshold for c in certificates for m in metrics)
        if count < len(names) and (hopeless or (count >= ENOUGH and is_clear(certificates, metrics))):
            say(f"{count} of {len(names)} necks are enough")
            break
    return certificates


def is_clear(certificates: Sequence[Certificate], metrics: Sequence[str]) -> bool:
    """Whether more necks can hardly change which length is the first good enough, by any of the metrics.

    Its interval lies above the threshold, and all intervals of every shorter length below.
    """
    for certificate in certificates:
        lows, highs = zip(*map(certificate.interval, metrics), strict=True)
        if max(highs) >= certificate.threshold:
            return bool(max(lows) >= certificate.threshold)
    return False
