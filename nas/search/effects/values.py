"""Effects as data."""

from __future__ import annotations

from typing import Any, Literal

from nas.search_space import Choice
from nas.value import Value

LEVEL = 0.95
"""Coverage of all intervals."""


class Effect(Value):
    """What a choice of a parameter does to a metric, all else equal.

    Attributes:
        parameter: the parameter.
        choice: the choice; None for what a doubling of a size (a width) does.
        against: what it is compared with; None for the mean of the other choices, or half the size.
        necks: trained necks that have the choice anywhere; of a doubling, all that have the parameter.
        value: the difference, or for a metric on the scale `ratio` the factor; None where it cannot be estimated.
        low, high: bounds of its interval.
        clear: whether the data tell it apart from no effect.
        reason: why it cannot be estimated.
    """

    parameter: str
    choice: Choice | None
    against: Choice | None = None
    necks: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    clear: bool = False
    reason: str = ""


class Interaction(Value):
    """Two choices that together do more, or less, than the sum of what each does.

    Attributes:
        parameters: the two parameters.
        choices: of each the choice whose cell stands out the most; None for a doubling.
        against: what each is compared with, as in `Effect`.
        value: what the first choice does beside the second, less what it does beside the others; a factor on the scale
            `ratio`.
        low, high: bounds of its interval.
        p: probability of so much interaction between two parameters that have none.
    """

    parameters: tuple[str, str]
    choices: tuple[Choice | None, Choice | None]
    against: tuple[Choice | None, Choice | None]
    value: float
    low: float
    high: float
    p: float


class MetricEffects(Value):
    """The effects on one metric.

    Attributes:
        scale: `difference`, or `ratio` where effects multiply (costs).
        necks: how many have the metric.
        center: mean of the metric over them; the geometric mean on the scale `ratio`.
        explained: part of the variance between necks that the choices one by one, and in pairs, account for.
        interactions: the pairs of parameters that clearly interact, the clearest first.
        reason: why there are no effects.
    """

    metric: str
    scale: Literal["difference", "ratio"]
    necks: int
    center: float = 0.0
    explained: tuple[float, float] = (0.0, 0.0)
    effects: tuple[Effect, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    reason: str = ""

    def effect(self, parameter: str, choice: Choice | None) -> Effect | None:
        """The effect of a choice."""
        return next((e for e in self.effects if (e.parameter, e.choice) == (parameter, choice)), None)


class Rate(Value):
    """What a choice buys for each unit of a cost: what it adds to `metric` over what it adds to `cost`.

    `value` is None where the choice does not clearly cost anything.
    """

    parameter: str
    choice: Choice | None
    against: Choice | None
    metric: str
    cost: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    clear: bool = False


class Effects(Value):
    """What mattered in a study.

    Attributes:
        trials: necks that the study trained itself.
        certificate: further necks, trained for the certificate of its proxy.
        left_out: trained necks that are not in the search space, by name.
        fixed: parameters of the space with one choice only.
        rates: what sizes buy for their latency.
    """

    study: str
    trials: int
    certificate: int
    left_out: tuple[str, ...]
    fixed: tuple[str, ...]
    metrics: tuple[MetricEffects, ...]
    rates: tuple[Rate, ...] = ()

    @property
    def necks(self) -> int:
        """Necks that the model rests on."""
        return self.trials + self.certificate

    def to_json(self) -> dict[str, Any]:
        """What `nas effects --json` prints."""
        return {"study": self.study, "necks": self.necks} | self.model_dump(mode="json")
