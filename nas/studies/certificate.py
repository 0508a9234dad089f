"""Certificate: how well a proxy ranks necks as the full training does, with the runs that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from nas.studies.forecast import Forecast
from nas.studies.metrics import FORECASTS, metric_of
from nas.studies.spec import Objective, StudySpec, TaskSpec
from nas.value import Value

NECKS = 24
"""Spread necks that a certificate takes, unless told otherwise."""

SEEDS = 2
"""Seeds that each is trained with."""

MINIMUM = 8
"""Necks below which nothing can be said."""

THRESHOLD = 0.65
"""Kendall's tau from which a proxy is trusted, as the best-known managed service asks."""

LOW = 0.3
"""What the lower bound of its interval must pass."""


class Compared(Value):
    """One neck of a certificate: its scores by seed under the proxy and under the full training."""

    digest: str
    name: str
    proxy: tuple[float, ...] = Field(min_length=1)
    full: tuple[float, ...] = Field(min_length=1)


class Trained(Value):
    """A training: its task as asked for, and the fingerprint of all that can change its results but the epochs."""

    task: TaskSpec
    fingerprint: str


class Certificate(Value):
    """What `necks` spread necks, each trained with `seeds` seeds under the proxy and as many in full, say of it.

    No run is judged by itself: `nas proxy` gives the full runs other seeds, and a full score is the mean of all; in
    those of `--search`, where a proxy's run may be the start of a full one, it is the mean of the other seeds.

    Attributes:
        metric: what both trainings are judged by.
        tau, low, high: Kendall's tau-b between the proxy's score with one seed and the full score, averaged over the
            proxy's seeds; with the bounds of its bootstrap interval of 95 %.
        tau_top: tau among the best quarter by the full score; None if that is fewer than four necks.
        tau_within: tau over the pairs of necks that begin at the same level. None in certificates of old, or where
            there are no such pairs.
        tau_finest: tau of that level alone, the finer the better: what ranks necks with no training at all. None in
            certificates of old.
        over_finest: lower bound of what tau is above that, by the bootstrap; None in certificates of old.
        regret: full score of the best neck less that of the proxy's pick, averaged over the proxy's seeds.
        noise: standard deviation of one full score over seeds, pooled over necks; None with one seed.
        spread: standard deviation of the full scores over necks.
        cost_ratio: seconds of the proxy's runs over those of the full ones; where the proxy is the start of the full
            training, seconds of the starts.
        gain: what the full scores gained, on average, over the last 29 % of their training, half an octave. None under
            a falling rate, or where the curves do not reach back so far.
        converged: whether that is less than the noise.
        tau_full: tau of one full score, judged by those of the other seeds: about what a proxy can have that is judged
            so. None with one seed, or in certificates of old.
        tau_late: that of the same runs where the last 29 % began.
        reordered: whether these have clearly changed the order: all of the bootstrap interval of what tau_full is above
            tau_late is above zero.
        judged_by: whose mean full score judges a proxy's run. All seeds' is the steadier truth, and taus by it may pass
            `tau_full`. None in certificates of old.
        threshold: the tau that was asked for.
        verdict: all of it in a sentence or two.
        failed: names of necks that are left out, each with the reason: a run failed, or collapsed.
        proxy, full: what was compared; the epochs are part of the tasks.
        space: the search space that the necks are from.
        forecast: what the curves of the proxy say of the full scores, where they have two points.
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
    proxy: Trained
    full: Trained
    space: dict[str, Any]
    compared: tuple[Compared, ...]
    forecast: Forecast | None = None

    @property
    def certified(self) -> bool:
        """Whether the proxy's own scores may be trusted: tau reaches the threshold, its interval stays above LOW."""
        return self.tau >= self.threshold and self.low > LOW

    def certifies(self, metric: str) -> bool:
        """Whether an objective may be trusted: the score itself, or its forecast."""
        if metric not in FORECASTS:
            return self.certified
        found = self.forecast
        return found is not None and found.tau >= self.threshold and found.low > LOW

    def interval(self, metric: str) -> tuple[float, float]:
        """Bounds of tau: of the score, or of its forecast; as bad as can be where there is none."""
        if metric not in FORECASTS:
            return self.low, self.high
        return (self.forecast.low, self.forecast.high) if self.forecast is not None else (-1.0, -1.0)

    @property
    def better_forecast(self) -> Forecast | None:
        """The forecast, if it is clear that it ranks better than the score."""
        found = self.forecast
        return found if found is not None and found.ahead is not None and found.ahead > 0 else None


class Proxy(Value):
    """A study's proxy, as certificates are asked about it.

    Attributes:
        spec: the study.
        space: its search space, as `SearchSpace.to_dict` tells it.
        task: fingerprint of its task.
        forecast: the law by which a study that has begun makes its forecasts.
    """

    spec: StudySpec
    space: dict[str, Any]
    task: str
    forecast: Forecast | None = None


def trained_objective(spec: StudySpec) -> Objective | None:
    """The first objective that training decides."""
    trained = (o for o in spec.objectives if metric_of(o.metric).from_training and o.metric != "seconds")
    return next(trained, None)


def measured_objective(spec: StudySpec) -> Objective | None:
    """What proxy and full training are compared by: that objective, or what it is a forecast of."""
    objective = trained_objective(spec)
    if objective is None or objective.metric not in FORECASTS:
        return objective
    return objective.model_copy(update={"metric": FORECASTS[objective.metric], "fallback": None})


def goes_by(objective: Objective, certificate: Certificate | None) -> Objective:
    """What a study goes by: a forecast if the certificate proves it, else its fallback."""
    proven = certificate is not None and certificate.certifies(objective.metric)
    return objective if proven else objective.fallen_back


def first_certified(certificates: Sequence[Certificate], spec: StudySpec) -> Certificate | None:
    """The first that certifies what the study asks for: a score, its forecast, or either."""
    objective = trained_objective(spec)
    metrics = objective.metrics if objective is not None else ()
    return next((c for c in certificates if any(map(c.certifies, metrics))), None)


def fitting(certificates: Sequence[Certificate], proxy: Proxy) -> Certificate | None:
    """Of a proxy's certificates the best that the study's objective and full training are those of.

    What taught a study the forecasts that it asks for goes before all others; then one on the study's own search space,
    or on one that this is a part of; then one of the very task, device, precision and cache included; then the one of
    most runs, and the newest (the last) of several (see decisions: which-certificate).
    """
    measured, asked = measured_objective(proxy.spec), trained_objective(proxy.spec)
    if measured is None or asked is None:
        return None
    full = _changes(proxy.spec.full_task, proxy.spec.task)
    own = [c for c in certificates if c.metric == measured.metric and _changes(c.full.task, c.proxy.task) == full]
    law = proxy.forecast if asked.metric in FORECASTS else None

    def rank(at: int) -> tuple[bool, bool, bool, bool, int, int]:
        found = own[at]
        taught = law is not None and found.forecast == law
        place = found.space == proxy.space, covers(found, proxy.space), found.proxy.fingerprint == proxy.task
        return taught, *place, found.necks * found.seeds, at

    return own[max(range(len(own)), key=rank)] if own else None


def covers(certificate: Certificate, space: Mapping[str, Any]) -> bool:
    """Whether a search space is the certificate's own, or a part of it: what its curves forecast depends on that."""
    known, asked = dict(certificate.space), dict(space)
    wide, narrow = known.pop("parameters", {}), asked.pop("parameters", {})
    inside = (all(value in wide[name] for value in values) for name, values in narrow.items() if name in wide)
    return known == asked and wide.keys() == narrow.keys() and all(inside)


def _changes(full: TaskSpec, proxy: TaskSpec) -> dict[str, Any]:
    """What a full training does otherwise than its proxy, and its epochs: with the proxy given, that tells it."""
    apart = {"cache", "cache_bytes"}
    mine, others = full.model_dump(exclude=apart), proxy.model_dump(exclude=apart)
    return {key: value for key, value in mine.items() if value != others[key]} | {"epochs": full.epochs}
