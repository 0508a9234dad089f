"""Answer: what a study found, as a team can act on it: finalists trained in full, gains with intervals, a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field

from nas.studies.metrics import Direction, Metrics, format_metric
from nas.value import Unit, Value

Split = Literal["test", "val"]

FINAL_SEED = 2000
"""What the finalists' seeds are ahead of the study's. Those of certificates are 1000 ahead."""


class Promotion(Value):
    """Which trials are trained on toward the full training, and how far."""

    epochs: tuple[Annotated[int, Field(ge=1), Unit("epochs")], ...] | Literal["auto"] = "auto"
    """Lengths at which a training may stop or go on, rising, from `task.epochs` to `full.epochs`. `auto`: each
    twice the one before."""
    keep: float = Field(0.5, gt=0, lt=1)
    """Share of the trials at each length that goes on to the next."""
    cost: float = Field(0.25, gt=0, le=1)
    """Most that trials and promotions may cost together, as a share of training every trial in full. Trials that only
    the noise of a training keeps out go on as long as this allows."""
    bytes: Annotated[float, Unit("bytes")] = Field(4e9, gt=0)
    """Most disk space for the states of trainings that may go on. Beyond it a promoted trial starts over."""


class Finalists(Value):
    """Which necks are trained in full at the end of a study, to be compared."""

    top: int = Field(3, ge=1)
    """How many of the best trials. The best baseline and `fpn`, if it is a baseline, are trained as well."""
    seeds: int = Field(3, ge=2)
    """Trainings of each, with seeds that the search did not use."""


class Finalist(Value):
    """A neck that was trained in full with several seeds.

    Attributes:
        trial: the number of its trial.
        name: of a baseline, its name.
        scores: the metric of each training. The weights of the first are kept.
        seeds: the seed of each training.
        epochs: the length of the trainings.
        mean: their mean.
        low, high: the interval of 95 % of the mean, for other seeds and other images; None where it cannot be told.
        values: the costs of the model, such as `params`, `macs` and `latency_ms`.
    """

    trial: int
    name: str | None
    digest: str
    scores: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    mean: float
    low: float | None
    high: float | None
    values: Metrics

    @property
    def label(self) -> str:
        """What sentences call it."""
        return self.name if self.name is not None else f"trial {self.trial}"


class Gain(Value):
    """What the best trial gains over a baseline. Positive is better, whatever the metric's direction.

    Attributes:
        over: the baseline.
        gain: the difference of the means.
        low, high: its interval of 95 %; None where it cannot be told.
        split: the images that judge.
    """

    over: str
    metric: str
    gain: float
    low: float | None
    high: float | None
    split: Split


class Outlay(Value):
    """Epochs of training that a study of so many trials takes.

    Attributes:
        trials: of its trials.
        promotions: of those that are trained on.
        finalists: of the full trainings at the end.
    """

    trials: int
    promotions: int = 0
    finalists: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.trials + self.promotions + self.finalists

    @classmethod
    def of(cls, trials: int, lengths: Sequence[int], keep: float, finalists: Finalists | None, baselines: int) -> Self:
        """The epochs of `trials` trials, baselines included.

        Args:
            trials: how many.
            lengths: milestones in epochs; the full training is the last.
            keep: the share that goes on from each.
            finalists: what is trained in full at the end; None: nothing.
            baselines: baselines among the finalists.
        """
        promotions, count = 0, trials
        for before, after in pairwise(lengths):
            count = math.ceil(keep * count)
            promotions += count * (after - before)
        final = (min(finalists.top, trials) + baselines) * finalists.seeds * lengths[-1] if finalists is not None else 0
        return cls(trials=trials * lengths[0], promotions=promotions, finalists=final)


class Epochs(Value):
    """What an answer took.

    Attributes:
        spent: epochs of training, of trials, promotions and finalists.
        of_full: epochs that training every trial once in full would have taken.
    """

    spent: int
    of_full: int


Verdict = Literal["better", "no better", "worse", "unclear"]


class Answer(Value):
    """What a study's finalists show.

    Attributes:
        verdict: `better` than every baseline that was trained in full; `worse` than one; `no better` otherwise;
            `unclear` where there is no baseline, or no interval.
        sentence: the verdict for people.
        metric, direction: what is compared.
        split: the images that judge; `val` are those that chose, too.
        winner: the best trial.
        finalists: the best first, baselines included.
        gains: of the winner, over each baseline.
    """

    verdict: Verdict
    sentence: str
    metric: str
    direction: Direction
    split: Split
    winner: Finalist
    finalists: tuple[Finalist, ...]
    gains: tuple[Gain, ...]
    epochs: Epochs


def milestones(first: int, last: int) -> tuple[int, ...]:
    """Lengths from `first` to `last`, each twice the one before; the last step may be shorter.

    Example:
        >>> milestones(4, 48)
        (4, 8, 16, 32, 48)
    """
    found = [first]
    while found[-1] * 2 < last:
        found.append(found[-1] * 2)
    return (*found, last) if last > first else tuple(found)


def conclude(
    winner: Finalist,
    finalists: Sequence[Finalist],
    gains: Sequence[Gain],
    *,
    metric: str,
    direction: Direction,
    split: Split,
    limits: Sequence[str] = (),
    restricted: bool = False,
    by_image: bool = True,
) -> tuple[Verdict, str]:
    """The verdict, and the sentence that states it.

    Args:
        winner: the best trial.
        finalists: all of them, the winner and the baselines included.
        gains: the winner's, over each baseline.
        metric: what is compared.
        direction: which way is better.
        split: the images that judge.
        limits: costs that the study optimizes or bounds.
        restricted: whether the winner is the best of those that cost no more than the best baseline.
        by_image: whether intervals count the images too, not the seeds alone.
    """
    name = metric.upper() if metric.startswith("ap") else metric.replace("miou", "mIoU")
    seeds = len(winner.scores)
    images = "images that the search never saw" if split == "test" else "the validation images, which also chose it"
    how = f"full training, {seeds} seeds each, on {images}" + ("" if by_image else ", whose chance is not counted")
    baselines = {f.label: f for f in finalists if f.name is not None}
    if not gains or any(g.low is None or g.high is None for g in gains):
        level = f"{_start(winner.label)} has {name} {winner.mean:.3f} ({how})"
        return "unclear", f"{level}; {'no baseline was trained in full' if not gains else 'the noise is unknown'}."
    better = all(g.low is not None and g.low > 0 for g in gains)
    losses = [g for g in gains if g.high is not None and g.high < 0]
    closest = min(losses or gains, key=lambda g: g.gain)
    other = baselines[closest.over]
    interval = f"95 %: {_number(closest.low)} to {_number(closest.high)}"
    if better:
        dearer = [c for c in limits if (winner.values.get(c) or 0) > (other.values.get(c) or 0)]
        remark = f", at a higher {' and '.join(dearer)}" if dearer else ""
        gain = f"{_start(winner.label)} is better than {other.label} by {_number(closest.gain)} {name}"
        return "better", f"{gain} ({interval}), {how}; {_costs(winner, other)}{remark}."
    best = f"{winner.label}, its best trial{' that costs no more' if restricted else ''},"
    cheapest = _cheapest_near_best(finalists, gains, direction)
    second = f"the cheapest that is not clearly worse than the best is {cheapest.label}, with {_model(cheapest)}"
    if losses:
        behind = f"{best} loses {_number(-closest.gain)} {name} ({interval})"
        return "worse", f"No finalist of this search beats {other.label}: {behind}, {how}; {second}."
    ahead = f"{best} gains {_number(closest.gain)} {name} ({interval})"
    return "no better", f"No finalist of this search is shown to beat {other.label}: {ahead}, {how}; {second}."


def _cheapest_near_best(finalists: Sequence[Finalist], gains: Sequence[Gain], direction: Direction) -> Finalist:
    """The finalist with the fewest parameters that the best one leads by no more than the chance in a gain."""
    sign = 1.0 if direction == "maximize" else -1.0
    best = max(sign * f.mean for f in finalists)
    chance = max((g.high - g.low) / 2 for g in gains if g.low is not None and g.high is not None)
    near = [f for f in finalists if best - sign * f.mean <= chance]
    return min(near, key=lambda f: f.values.get("params") or 0)


def _costs(one: Finalist, other: Finalist) -> str:
    """Both costs of two necks: `at 16.1 ms against 17.0 ms, 199 k parameters against 320 k`."""
    parts = []
    for metric, unit, again in (("latency_ms", " ms", " ms"), ("params", " parameters", "")):
        values = one.values.get(metric), other.values.get(metric)
        if None not in values:
            mine, theirs = (format_metric(metric, v) for v in values)
            parts.append(f"{mine}{unit} against {theirs}{again}")
    return f"at {', '.join(parts)}" if parts else "at unknown costs"


def _model(finalist: Finalist) -> str:
    parts = [f"{format_metric('params', finalist.values.get('params'))} parameters"]
    if finalist.values.get("latency_ms") is not None:
        parts.append(f"{format_metric('latency_ms', finalist.values['latency_ms'])} ms")
    return " and ".join(parts)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _start(label: str) -> str:
    return label[:1].upper() + label[1:] if label.startswith("trial") else label
