"""Certificate: how well a proxy ranks necks as the full training does, with the runs that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from nas.studies.forecast import Forecast
from nas.studies.metrics import FORECASTS, metric_of
from nas.studies.spec import Objective, StudySpec, TaskSpec
from nas.value import Value

NECKS = 24
"""Default number of sampled necks."""

SEEDS = 2
"""Default number of seeds of each."""

MINIMUM = 8
"""Fewest necks that can be compared."""

THRESHOLD = 0.65
"""Default of the tau from which a proxy is trusted, as in the best-known managed service."""

LOW = 0.3
"""The lower bound of tau has to be above this."""


class Compared(Value):
    """One neck of a certificate: its scores by seed under the proxy and under the full training."""

    digest: str
    name: str
    proxy: tuple[float, ...] = Field(min_length=1)
    full: tuple[float, ...] = Field(min_length=1)


class FingerprintedTask(Value):
    """A training: the task as the study asks for it, and the fingerprint of what can change its results but epochs."""

    task: TaskSpec
    fingerprint: str


class Certificate(Value):
    """Figures from `necks` necks, each trained with `seeds` seeds under the proxy and as many in full.

    A run is never judged by itself. `nas proxy` gives the full runs other seeds, and their mean is the full score. In
    `--search` a proxy's run may be the start of a full one; the full score is then the mean of the other seeds.
    Fields with a default of None are None in older certificates too.

    Attributes:
        metric: the score that is compared.
        tau, low, high: Kendall's tau-b between the proxy's score with one seed and the full score, averaged over seeds,
            and the bounds of its 95 % bootstrap interval.
        tau_top: tau among the best quarter by the full score; None if that is fewer than four necks.
        tau_within: tau over the pairs of necks with the same finest level; None if there are no such pairs.
        tau_finest: tau of the finest level alone, which needs no training.
        over_finest: lower bound of tau - tau_finest.
        regret: full score of the best neck less that of the proxy's best neck, averaged over seeds.
        noise: standard deviation of one full score over seeds, pooled over necks; None with one seed.
        spread: standard deviation of the full scores over necks.
        cost_ratio: seconds of the proxy's runs over those of the full runs. If the proxy is the start of the full
            training, the seconds are those of the starts.
        gain: mean gain of the full scores over the last 29 % of the epochs (half an octave). None under a falling rate,
            or where the curves do not reach back so far.
        converged: whether the gain is within the noise.
        tau_full: tau of one full score judged by the other seeds: about the most that a proxy judged so can reach. None
            with one seed.
        tau_late: tau of the same runs where the last 29 % began.
        reordered: whether the interval of tau_full - tau_late lies above zero: the order still changed clearly.
        judged_by: the seeds whose mean full score judges a proxy's run. A tau by all seeds may exceed `tau_full`.
        failed: name of a neck that is left out -> the reason.
        threshold: the tau that was asked for.
        verdict: the figures in a few sentences.
        proxy, full: the two trainings.
        space: the search space of the necks.
        compared: the necks and their scores.
        forecast: forecasts of the full score; None if the proxy's curves have one point.
    """

    metric: str
    tau: float
    low: float
    high: float
    tau_top: float | None
    tau_within: float | None = None
    tau_finest: float | None = None
    over_finest: float | None = None
    regret: float
    noise: float | None
    spread: float
    cost_ratio: float
    necks: int
    seeds: int
    gain: float | None
    converged: bool | None
    tau_full: float | None = None
    tau_late: float | None = None
    reordered: bool | None = None
    judged_by: Literal["all seeds", "other seeds"] | None = None
    failed: dict[str, str] = {}
    threshold: float = THRESHOLD
    verdict: str = ""
    proxy: FingerprintedTask
    full: FingerprintedTask
    space: dict[str, Any]
    compared: tuple[Compared, ...]
    forecast: Forecast | None = None

    @property
    def certified(self) -> bool:
        """Whether the proxy's own scores can be trusted."""
        return self.certifies(self.metric)

    def figures(self, metric: str) -> Certificate | Forecast:
        """The object with the figures of an objective: the forecast if `metric` is one and there is a law for it."""
        return self.forecast if metric in FORECASTS and self.forecast is not None else self

    def interval(self, metric: str) -> tuple[float, float]:
        """Bounds of an objective's tau: of the score, or of its forecast; (-1, -1) if there is no forecast."""
        found = self.figures(metric)
        return (-1.0, -1.0) if metric in FORECASTS and found is self else (found.low, found.high)

    def certifies(self, metric: str) -> bool:
        """Whether an objective can be trusted: its tau reaches the threshold, and its interval stays above LOW."""
        return self.figures(metric).tau >= self.threshold and self.interval(metric)[0] > LOW


class Proxy(Value):
    """A study's proxy, for which a certificate is looked for.

    Attributes:
        spec: the study.
        space: its search space, from `SearchSpace.to_dict`.
        task: fingerprint of its task.
        forecast: the law of its forecasts, if it has begun.
    """

    spec: StudySpec
    space: dict[str, Any]
    task: str
    forecast: Forecast | None = None


def trained_objective(spec: StudySpec) -> Objective | None:
    """The first objective that depends on the training."""
    trained = (o for o in spec.objectives if metric_of(o.metric).from_training and o.metric != "seconds")
    return next(trained, None)


def measured_objective(spec: StudySpec) -> Objective | None:
    """The objective by which proxy and full training are compared: that one, or what it forecasts."""
    objective = trained_objective(spec)
    if objective is None or objective.metric not in FORECASTS:
        return objective
    return objective.model_copy(update={"metric": FORECASTS[objective.metric], "fallback": None})


def supported_objective(objective: Objective, certificate: Certificate | None) -> Objective:
    """The objective if the certificate supports it, otherwise its fallback."""
    supported = certificate is not None and certificate.certifies(objective.metric)
    return objective if supported else objective.without_forecast


def first_certified(certificates: Sequence[Certificate], spec: StudySpec) -> Certificate | None:
    """The first certificate that certifies the study's objective or its fallback."""
    objective = trained_objective(spec)
    metrics = objective.metrics if objective is not None else ()
    return next((c for c in certificates if any(map(c.certifies, metrics))), None)


def best_certificate(certificates: Sequence[Certificate], proxy: Proxy) -> Certificate | None:
    """The best certificate whose objective and full training match (see decisions: which-certificate).

    Args:
        certificates: those of the proxy, oldest first.
    """
    measured, asked = measured_objective(proxy.spec), trained_objective(proxy.spec)
    if measured is None or asked is None:
        return None
    full = _full_changes(proxy.spec.full_task, proxy.spec.task)
    own = [c for c in certificates if c.metric == measured.metric and _full_changes(c.full.task, c.proxy.task) == full]
    law = proxy.forecast if asked.metric in FORECASTS else None

    def rank(at: int) -> tuple[bool, bool, bool, bool, int, int]:
        found = own[at]
        taught = law is not None and found.forecast == law
        place = found.space == proxy.space, covers(found, proxy.space), found.proxy.fingerprint == proxy.task
        return taught, *place, found.necks * found.seeds, at

    return own[max(range(len(own)), key=rank)] if own else None


def covers(certificate: Certificate, space: Mapping[str, Any]) -> bool:
    """Whether a search space is the certificate's own, or a part of it."""
    known, asked = dict(certificate.space), dict(space)
    wide, narrow = known.pop("parameters", {}), asked.pop("parameters", {})
    inside = (all(value in wide[name] for value in values) for name, values in narrow.items() if name in wide)
    return known == asked and wide.keys() == narrow.keys() and all(inside)


def _full_changes(full: TaskSpec, proxy: TaskSpec) -> dict[str, Any]:
    """The keys in which a full training differs from its proxy, and its epochs."""
    apart = {"cache", "cache_bytes"}
    mine, others = full.model_dump(exclude=apart), proxy.model_dump(exclude=apart)
    return {key: value for key, value in mine.items() if value != others[key]} | {"epochs": full.epochs}
