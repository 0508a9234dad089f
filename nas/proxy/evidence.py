"""Evidence: the scores of necks under a proxy and in full, as evaluations gave them, and the certificate they make."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.errors import NASError
from nas.proxy.compare import compare, ending
from nas.proxy.forecasting import learn
from nas.proxy.plan import Half, Plan
from nas.proxy.settings import same_but_for_epochs
from nas.studies.certificate import MINIMUM, Certificate, Compared, Trained, goes_by, trained_objective
from nas.studies.forecast import NAMES, Forecast
from nas.studies.records import Evaluation, Key
from nas.studies.verdict import verdict

Floats = NDArray[np.float64]

Rows = dict[str, list[Evaluation]]
"""Of each neck by name its evaluations, one a seed."""

LATE = 2**-0.5
"""The part of a training after which its last part begins, which tells whether it is at its end: half an octave, nearly
a third."""

APART = 0.76
"""What the epochs of a forecast's first point may be of its last's: half an octave, but for the rounding of epochs."""

COLLAPSED = 0.5
"""A full run with less than this part of what the neck's other seeds reached has collapsed."""

WORTH = 0.25
"""Part of the best score from which a neck's own is more than the noise near zero: below it nothing collapses."""


@dataclass(frozen=True)
class Evidence:
    """Scores [necks, seeds] of the necks `rows` under a proxy and in full, and the seconds that all of each took.

    `paired`: seed k of the proxy is judged by the other seeds of the full training; see `compare`. `before` are the
    proxy's scores at a point before its last, `epochs` those of the two points; None where its curve has one alone.
    """

    plan: Plan
    rows: Rows
    trained: Trained
    proxy: Floats
    full: Floats
    seconds: float
    full_seconds: float
    failed: dict[str, str]
    paired: bool
    before: Floats | None
    epochs: tuple[int, int]

    def certificate(self, threshold: float) -> Certificate:
        """What it proves."""
        plan, metric = self.plan, self.plan.objective.metric
        sign = 1.0 if plan.objective.direction == "maximize" else -1.0
        figures = compare(sign * self.proxy, sign * self.full, paired=self.paired, finest=self._finest)
        certificate = Certificate(
            metric=metric,
            **figures._asdict(),
            **ending(self._late(metric, sign), sign * self.full)._asdict(),
            judged_by="other seeds" if self.paired else "all seeds",
            cost_ratio=self.seconds / self.full_seconds,
            necks=len(self.rows),
            seeds=self.full.shape[1],
            failed=self.failed,
            threshold=threshold,
            proxy=self.trained,
            full=Trained(task=plan.full.spec, fingerprint=plan.full.task.fingerprint),
            space=plan.setup.space.to_dict(),
            compared=tuple(
                Compared(digest=row[0].key.digest, name=name, proxy=tuple(p), full=tuple(f))
                for (name, row), p, f in zip(self.rows.items(), self.proxy.tolist(), self.full.tolist(), strict=True)
            ),
            forecast=self._forecast(metric),
        )
        asked = trained_objective(plan.setup.spec)
        assert asked is not None  # or there was no plan
        return certificate.model_copy(update={"verdict": verdict(certificate, goes_by(asked, certificate).metric)})

    def _late(self, metric: str, sign: float) -> Floats | None:
        """The full runs where their last part began; under a falling rate that is no shorter run."""
        found = [[late_score(e, metric) for e in row] for row in self.rows.values()]
        if self.plan.full.spec.schedule != "constant" or any(score is None for row in found for score in row):
            return None
        return sign * np.array(found, np.float64)

    def _forecast(self, metric: str) -> Forecast | None:
        if self.before is None or metric not in NAMES:
            return None
        full = self.plan.full.spec.epochs
        return learn(
            metric, self.epochs, full, self.before, self.proxy, self.full, paired=self.paired, finest=self._finest
        )

    @property
    def _finest(self) -> list[int]:
        """The necks' finest levels."""
        return [min(row[0].architecture.neck.output_levels) for row in self.rows.values()]


def of_two_halves(plan: Plan, found: Mapping[Key, Evaluation], failed: Mapping[str, str]) -> Evidence:
    """What the evaluations of both halves say.

    Raises:
        NASError: fewer than MINIMUM necks have all of theirs.
    """
    metric = plan.objective.metric
    long, lost = complete(plan, list(plan.full.rows), found, failed)
    short = {name: [found[run.key] for run in plan.proxy.rows[name]] for name in long}
    curves = [[points(e, metric) for e in row] for row in short.values()]
    known = len(curves[0][0])
    return Evidence(
        plan,
        long,
        Trained(task=plan.proxy.spec, fingerprint=plan.proxy.task.fingerprint),
        scores(short.values(), metric),
        scores(long.values(), metric),
        _start_seconds(plan, long) or _seconds(short),
        _seconds(long),
        lost,
        paired=False,
        before=_column(curves, _before(curves, known - 1)) if known > 1 else None,
        epochs=_two(curves, known - 1),
    )


def of_starts(
    plan: Plan, half: Half, long: Rows, found: Mapping[Key, Evaluation], failed: dict[str, str]
) -> Iterator[Evidence]:
    """What every length of a half's runs says of the ends of the full runs `long`; of those themselves, all but their
    own ends.
    """
    metric = plan.objective.metric
    curves = [[points(found[run.key], metric) for run in half.rows[name]] for name in long]
    first = curves[0][0]
    for k, (epochs, _, _) in enumerate(first[:-1] if half is plan.full else first):
        yield Evidence(
            plan,
            long,
            Trained(task=half.spec.model_copy(update={"epochs": epochs}), fingerprint=half.task.fingerprint),
            _column(curves, k),
            scores(long.values(), metric),
            sum(curve[k][2] for row in curves for curve in row),
            _seconds(long),
            failed,
            paired=True,  # for other settings too: what is to be compared is judged by the same truths
            before=_column(curves, _before(curves, k)) if k else None,
            epochs=_two(curves, k),
        )


def complete(
    plan: Plan, names: Sequence[str], found: Mapping[Key, Evaluation], failed: Mapping[str, str]
) -> tuple[Rows, dict[str, str]]:
    """The full runs of the necks that have one for every seed, and why others are left out.

    A collapsed run would drown the noise of all others, and is no end that a user would take.

    Raises:
        NASError: fewer than MINIMUM are left.
    """
    rows: Rows = {}
    lost = {name: failed[name] for name in names if name in failed}
    whole = {name: [found[run.key] for run in plan.full.rows[name]] for name in names if name not in lost}
    metric = plan.objective.metric
    reached = {name: [e.measurement.metrics[metric] or 0.0 for e in row] for name, row in whole.items()}
    best = max((max(values) for values in reached.values()), default=0.0)
    for name, row in whole.items():
        values = reached[name]
        fell = max(values) >= WORTH * best and min(values) < COLLAPSED * max(values)
        if plan.objective.direction == "maximize" and fell:
            lost[name] = f"a run collapsed: {min(values):.3f}, where another seed has {max(values):.3f}"
        else:
            rows[name] = row
    if len(rows) < MINIMUM:
        reason = next(iter(lost.values()), "there are no more")
        raise NASError(f"only {len(rows)} necks could be compared, and it takes {MINIMUM}: {reason}")
    return rows, lost


def scores(rows: Iterable[Sequence[Evaluation]], metric: str) -> Floats:
    """[necks, seeds]."""
    return np.array([[e.measurement.metrics[metric] for e in row] for row in rows], np.float64)


Curves = Sequence[Sequence[Sequence[tuple[int, float, float]]]]
"""Of every neck and seed what `points` gives."""


def _column(curves: Curves, k: int) -> Floats:
    """Scores [necks, seeds] at point `k` of every curve."""
    return np.array([[curve[k][1] for curve in row] for row in curves], np.float64)


def _before(curves: Curves, k: int) -> int:
    """The last point far enough before point `k` that what was gained since is more than noise, else the first."""
    epochs = [epoch for epoch, _, _ in curves[0][0]]
    return max((i for i in range(k) if epochs[i] <= APART * epochs[k]), default=0)


def _two(curves: Curves, k: int) -> tuple[int, int]:
    """Epochs of point `k` and of the one before that a forecast looks at; of the first, its own twice."""
    curve = curves[0][0]
    return curve[_before(curves, k)][0], curve[k][0]


def points(evaluation: Evaluation, metric: str) -> list[tuple[int, float, float]]:
    """Where a curve has the metric: epoch, value, seconds."""
    return [(p.epoch, v, p.seconds) for p in evaluation.curve if (v := p.metrics.get(metric)) is not None]


def late_score(evaluation: Evaluation, metric: str) -> float | None:
    """What a training had reached when its last part began: the curve is interpolated over log(epoch). None where it
    has no point as early as that.
    """
    epochs, values, _ = zip(*points(evaluation, metric), strict=True)
    return where_late(epochs, values)


def where_late(epochs: Sequence[int], values: Sequence[float]) -> float | None:
    """The same of a curve that is told by its epochs and values."""
    began = LATE * epochs[-1]
    return float(np.interp(math.log(began), np.log(epochs), values)) if began >= epochs[0] else None


def _start_seconds(plan: Plan, long: Rows) -> float | None:
    """Seconds that the full runs took to the proxy's length, where the two differ in that alone: those of short runs
    may be of another machine, or of a busier hour. None where they differ in more, or no curve has that point.
    """
    proxy, full = plan.proxy.spec, plan.full.spec
    if not same_but_for_epochs(proxy, full) or full.schedule != "constant":
        return None
    found = [{p.epoch: p.seconds for p in e.curve}.get(proxy.epochs) for row in long.values() for e in row]
    return sum(s for s in found if s is not None) if None not in found else None


def _seconds(rows: Rows) -> float:
    """Seconds that the evaluations took, a latency that had to be measured included: what a trial costs."""
    return sum(e.measurement.seconds for row in rows.values() for e in row)
