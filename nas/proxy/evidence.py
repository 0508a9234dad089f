"""Evidence: the scores of necks under a proxy and in full, as evaluations gave them, and the certificate they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.certificate import Certificate, Compared
from nas.errors import NASError
from nas.measurement import METRICS, Evaluation, Key
from nas.proxy.compare import compare
from nas.proxy.plan import Half, Plan
from nas.proxy.verdict import verdict
from nas.study import TaskSpec

Floats = NDArray[np.float64]

Rows = dict[str, list[Evaluation]]
"""Of each neck by name its evaluations, one a seed."""

MINIMUM = 8
"""Necks below which nothing can be said."""

LATE = 2**-0.5
"""The part of a training after which its gain tells whether it is converged: its last half octave, nearly a third."""


@dataclass(frozen=True)
class Evidence:
    """Scores [necks, seeds] of the necks `rows` under a proxy and in full, and the seconds that all of each took.

    `paired`: column k of both is of one run; see `compare`.
    """

    plan: Plan
    rows: Rows
    task: TaskSpec
    proxy: Floats
    full: Floats
    seconds: float
    full_seconds: float
    failed: tuple[str, ...]
    paired: bool

    def certificate(self, threshold: float) -> Certificate:
        plan, metric = self.plan, self.plan.metric
        sign = 1.0 if METRICS[metric].direction == "maximize" else -1.0
        figures = compare(sign * self.proxy, sign * self.full, paired=self.paired)
        gain = sign * float(np.mean([late_gain(e, metric) for row in self.rows.values() for e in row]))
        task = plan.full.task if self.paired else plan.proxy.task
        certificate = Certificate(
            metric=metric,
            score=metric,
            **figures._asdict(),
            cost_ratio=self.seconds / self.full_seconds,
            necks=len(self.rows),
            seeds=self.full.shape[1],
            gain=gain,
            converged=gain < figures.noise if figures.noise is not None else None,
            failed=self.failed,
            threshold=threshold,
            proxy={"task": task.fingerprint, "spec": self.task.to_dict(), "space": plan.setup.space.to_dict()},
            full={"task": plan.full.task.fingerprint, "spec": plan.full.spec.to_dict()},
            compared=tuple(
                Compared(digest=row[0].key.digest, name=name, proxy=tuple(p), full=tuple(f))
                for (name, row), p, f in zip(self.rows.items(), self.proxy.tolist(), self.full.tolist(), strict=True)
            ),
        )
        return certificate.model_copy(update={"verdict": verdict(certificate)})


def of_two_halves(plan: Plan, found: Mapping[Key, Evaluation], failed: Mapping[Key, str]) -> Evidence:
    """What the evaluations of both halves say.

    Raises:
        NASError: fewer than MINIMUM necks have all of theirs.
    """
    short, long = complete(plan.proxy, found), complete(plan.full, found)
    names = [name for name in short if name in long]
    check_enough(names, failed)
    short, long = ({name: half[name] for name in names} for half in (short, long))
    return Evidence(
        plan,
        long,
        plan.proxy.spec,
        scores(short.values(), plan.metric),
        scores(long.values(), plan.metric),
        _seconds(short),
        _seconds(long),
        tuple(name for name in plan.full.rows if name not in names),
        paired=False,
    )


def of_a_start(plan: Plan, rows: Rows, epochs: int, failed: tuple[str, ...]) -> Evidence:
    """What the first `epochs` of the full runs `rows` say of their ends."""
    early = [[point_at(e, plan.metric, epochs) for e in row] for row in rows.values()]
    return Evidence(
        plan,
        rows,
        plan.full.spec.model_copy(update={"epochs": epochs}),
        np.array([[score for score, _ in row] for row in early], np.float64),
        scores(rows.values(), plan.metric),
        sum(seconds for row in early for _, seconds in row),
        _seconds(rows),
        failed,
        paired=True,
    )


def complete(half: Half, found: Mapping[Key, Evaluation]) -> Rows:
    """The necks that have an evaluation for every seed."""
    rows = {name: [found[run.key] for run in runs if run.key in found] for name, runs in half.rows.items()}
    return {name: row for name, row in rows.items() if len(row) == len(half.rows[name])}


def check_enough(names: Sequence[str], failed: Mapping[Key, str]) -> None:
    """Raises NASError for fewer than MINIMUM necks."""
    if len(names) < MINIMUM:
        reason = next(iter(failed.values()), "there are no more in the space; take a wider one")
        raise NASError(f"only {len(names)} necks could be compared, and it takes {MINIMUM}: {reason}")


def scores(rows: Iterable[Sequence[Evaluation]], metric: str) -> Floats:
    """[necks, seeds]."""
    return np.array([[e.measurement.metrics[metric] for e in row] for row in rows], np.float64)


def points(evaluation: Evaluation, metric: str) -> list[tuple[int, float, float]]:
    """Where a curve has the metric: epoch, value, seconds."""
    return [(p.epoch, v, p.seconds) for p in evaluation.curve if (v := p.metrics.get(metric)) is not None]


def point_at(evaluation: Evaluation, metric: str, epochs: int) -> tuple[float, float]:
    """Value and seconds of a curve after `epochs`, which is one of its milestones."""
    return next((value, seconds) for epoch, value, seconds in points(evaluation, metric) if epoch == epochs)


def late_gain(evaluation: Evaluation, metric: str) -> float:
    """What the last part of a training gained; zero where its curve has no earlier point."""
    last, end, _ = points(evaluation, metric)[-1]
    earlier = [value for epoch, value, _ in points(evaluation, metric) if epoch <= LATE * last]
    return end - earlier[-1] if earlier else 0.0


def _seconds(rows: Rows) -> float:
    """Seconds that the evaluations took, a latency that had to be measured included: what a trial costs."""
    return sum(e.measurement.seconds for row in rows.values() for e in row)
