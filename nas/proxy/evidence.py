"""Certificates from evaluations: scores of the same necks under a proxy and in full, gathered and compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nas.errors import NASError
from nas.proxy.compare import compare, ending
from nas.proxy.forecasting import learn
from nas.proxy.plan import Half, Plan
from nas.proxy.ranking import Floats
from nas.proxy.settings import equal_except_epochs
from nas.studies.certificate import (
    MINIMUM,
    Certificate,
    Compared,
    FingerprintedTask,
    supported_objective,
    trained_objective,
)
from nas.studies.forecast import FORECAST_NAMES, Forecast
from nas.studies.records import Evaluation, Key
from nas.studies.verdict import verdict

Rows = dict[str, list[Evaluation]]
"""Name of a neck -> its evaluations, one a seed."""

LATE = 2**-0.5
"""Where the last part of a training begins, as a share of its epochs: half an octave before the end, at 71 %."""

APART = 0.76
"""Most that the epochs of a forecast's first point may be of its second's: half an octave, with room for rounding."""

COLLAPSED = 0.5
"""A full run has collapsed if it reaches less than this share of the neck's best seed."""

WORTH = 0.25
"""Necks below this share of the best score cannot collapse: their scores are noise near zero."""


class Point(NamedTuple):
    """A point of a learning curve."""

    epoch: int
    value: float
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """Necks with their full runs, and their scores under a proxy.

    Attributes:
        rows: the full runs.
        failed: name of a neck that is left out -> the reason.
        proxy: the short training.
        scores: its scores [necks, seeds].
        seconds: what all its runs took.
        curves: the points of its runs, of each neck and seed.
        at: index of the point at which `scores` were taken.
        paired: the scores of a seed are judged by the full runs of the other seeds; see `compare`.
    """

    plan: Plan
    rows: Rows
    failed: dict[str, str]
    proxy: FingerprintedTask
    scores: Floats
    seconds: float
    curves: list[list[list[Point]]]
    at: int
    paired: bool

    def certificate(self, threshold: float) -> Certificate:
        """The figures and the verdict."""
        plan, metric, long = self.plan, self.plan.objective.metric, self.plan.full
        sign = 1.0 if plan.objective.direction == "maximize" else -1.0
        full = final_scores(self.rows, metric)
        finest = [min(row[0].architecture.neck.output_levels) for row in self.rows.values()]
        late = [[late_score(e, metric) for e in row] for row in self.rows.values()]
        known = long.spec.schedule == "constant" and not any(score is None for row in late for score in row)
        certificate = Certificate(
            metric=metric,
            **compare(sign * self.scores, sign * full, paired=self.paired, finest=finest)._asdict(),
            **ending(sign * np.array(late, np.float64) if known else None, sign * full)._asdict(),
            judged_by="other seeds" if self.paired else "all seeds",
            cost_ratio=self.seconds / _seconds(self.rows),
            necks=len(self.rows),
            seeds=full.shape[1],
            failed=self.failed,
            threshold=threshold,
            proxy=self.proxy,
            full=FingerprintedTask(task=long.spec, fingerprint=long.task.fingerprint),
            space=plan.setup.space.to_dict(),
            compared=tuple(
                Compared(digest=row[0].key.digest, name=name, proxy=tuple(p), full=tuple(f))
                for (name, row), p, f in zip(self.rows.items(), self.scores.tolist(), full.tolist(), strict=True)
            ),
            forecast=self._forecast(full, finest) if self.at > 0 and metric in FORECAST_NAMES else None,
        )
        asked = trained_objective(plan.setup.spec)
        assert asked is not None  # otherwise there is no plan
        judged = supported_objective(asked, certificate).metric
        return certificate.model_copy(update={"verdict": verdict(certificate, judged)})

    def _forecast(self, full: Floats, finest: Sequence[int]) -> Forecast:
        """The law that looks at the last point, and at one far enough before it that the gain is more than noise."""
        epochs, at = [point.epoch for point in self.curves[0][0]], self.at
        before = max((i for i in range(at) if epochs[i] <= APART * epochs[at]), default=0)
        return learn(
            self.plan.objective.metric,
            (epochs[before], epochs[at]),
            self.plan.full.spec.epochs,
            _scores_at(self.curves, before),
            self.scores,
            full,
            paired=self.paired,
            finest=finest,
        )


def from_plan(plan: Plan, found: Mapping[Key, Evaluation], failed: Mapping[str, str]) -> Evidence:
    """The evidence of both halves of a plan.

    Raises:
        NASError: fewer than MINIMUM necks have all their evaluations.
    """
    metric = plan.objective.metric
    long, lost = usable_rows(plan, list(plan.full.rows), found, failed)
    short = {name: [found[run.key] for run in plan.proxy.rows[name]] for name in long}
    curves = [[curve_points(e, metric) for e in row] for row in short.values()]
    return Evidence(
        plan,
        long,
        lost,
        FingerprintedTask(task=plan.proxy.spec, fingerprint=plan.proxy.task.fingerprint),
        final_scores(short, metric),
        _prefix_seconds(plan, long) or _seconds(short),
        curves,
        at=len(curves[0][0]) - 1,
        paired=False,
    )


def from_prefixes(
    plan: Plan, half: Half, long: Rows, found: Mapping[Key, Evaluation], failed: dict[str, str]
) -> Iterator[Evidence]:
    """The evidence of every length at which the curves of a half's runs have a point; of the full runs, but the last.

    All are judged by the other seeds of the full runs, so that they can be compared.
    """
    curves = [[curve_points(found[run.key], plan.objective.metric) for run in half.rows[name]] for name in long]
    first = curves[0][0]
    for at, point in enumerate(first[:-1] if half is plan.full else first):
        task = half.spec.model_copy(update={"epochs": point.epoch})
        yield Evidence(
            plan,
            long,
            failed,
            FingerprintedTask(task=task, fingerprint=half.task.fingerprint),
            _scores_at(curves, at),
            sum(curve[at].seconds for row in curves for curve in row),
            curves,
            at,
            paired=True,
        )


def usable_rows(
    plan: Plan, names: Sequence[str], found: Mapping[Key, Evaluation], failed: Mapping[str, str]
) -> tuple[Rows, dict[str, str]]:
    """The full runs of the necks whose runs all succeeded, and the reasons why other necks are left out.

    A neck with a collapsed run is left out: it would dominate the noise, and nobody would use such a model.

    Raises:
        NASError: fewer than MINIMUM are left.
    """
    rows: Rows = {}
    lost = {name: failed[name] for name in names if name in failed}
    whole = {name: [found[run.key] for run in plan.full.rows[name]] for name in names if name not in lost}
    metric = plan.objective.metric
    reached = {name: [e.measurement.metrics[metric] or 0.0 for e in row] for name, row in whole.items()}
    best = max((max(values) for values in reached.values()), default=0.0)
    for name, values in reached.items():
        collapsed = max(values) >= WORTH * best and min(values) < COLLAPSED * max(values)
        if plan.objective.direction == "maximize" and collapsed:
            lost[name] = f"a run collapsed: {min(values):.3f}, where another seed has {max(values):.3f}"
        else:
            rows[name] = whole[name]
    if len(rows) < MINIMUM:
        reason = next(iter(lost.values()), "there are no more")
        raise NASError(f"only {len(rows)} necks could be compared, and a certificate needs {MINIMUM}: {reason}")
    return rows, lost


def final_scores(rows: Rows, metric: str) -> Floats:
    """The measured scores [necks, seeds]."""
    return np.array([[e.measurement.metrics[metric] for e in row] for row in rows.values()], np.float64)


def _scores_at(curves: Iterable[Iterable[Sequence[Point]]], at: int) -> Floats:
    """The scores [necks, seeds] at point `at` of every curve."""
    return np.array([[curve[at].value for curve in row] for row in curves], np.float64)


def curve_points(evaluation: Evaluation, metric: str) -> list[Point]:
    """The points of a learning curve that have the metric."""
    return [Point(p.epoch, v, p.seconds) for p in evaluation.curve if (v := p.metrics.get(metric)) is not None]


def late_score(evaluation: Evaluation, metric: str) -> float | None:
    """The score where the last part of the training began; see `late_value`."""
    epochs, values, _ = zip(*curve_points(evaluation, metric), strict=True)
    return late_value(epochs, values)


def late_value(epochs: Sequence[int], values: Sequence[float]) -> float | None:
    """A curve at LATE of its epochs, interpolated over log(epoch); None if it begins later."""
    began = LATE * epochs[-1]
    return float(np.interp(math.log(began), np.log(epochs), values)) if began >= epochs[0] else None


def _prefix_seconds(plan: Plan, long: Rows) -> float | None:
    """Seconds of the full runs up to the proxy's length, if the proxy is their start and all curves have that point.

    The short runs themselves may be of another machine, or of a busier hour.
    """
    proxy, full = plan.proxy.spec, plan.full.spec
    if not equal_except_epochs(proxy, full) or full.schedule != "constant":
        return None
    found = [{p.epoch: p.seconds for p in e.curve}.get(proxy.epochs) for row in long.values() for e in row]
    return sum(s for s in found if s is not None) if None not in found else None


def _seconds(rows: Rows) -> float:
    """Seconds that the evaluations took, measured latencies included: the cost of trials."""
    return sum(e.measurement.seconds for row in rows.values() for e in row)
