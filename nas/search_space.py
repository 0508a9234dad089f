"""SearchSpace: which necks may be proposed. A template asks for its parameters, a trial answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol, Self

from pydantic import Field, field_validator, model_validator

from nas import topologies
from nas import vocabulary as words
from nas.architecture import MAX_LEVEL, Frame, NeckSpec
from nas.errors import Fault, SpecError
from nas.value import Faulty, Value

Choice = str | int

SMALLEST_MAP = 2
"""Cells a side that the coarsest level must have: BatchNorm and 3x3 convolutions make no sense on less."""


class Trial(Protocol):
    """What is used of an Optuna trial."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int: ...


class Range(Value):
    """Whole numbers from `low` to `high` in steps."""

    low: int
    high: int
    step: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"an empty range: low {self.low} is above high {self.high}")
        return self


Values = tuple[Choice, ...]


class SearchSpace(Value):
    """Parameters of a template, each with its choices."""

    name: str
    version: int = Field(1, ge=1)
    template: Literal["pyramid"] = "pyramid"
    parameters: dict[str, Values]

    @field_validator("parameters", mode="before")
    @classmethod
    def _choices(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        values, faults = _all_values({**_UNASKED, **given})
        faults += [fault for fault in _faults(values) if fault.path not in {f.path for f in faults}]
        if faults:
            raise Faulty(faults)
        return values

    def narrowed(self, space: Mapping[str, Any]) -> SearchSpace:
        """This space with some parameters narrowed or fixed, as a study's `space:` says.

        Raises:
            SpecError: an unknown parameter, an empty range, a value that the template does not know.
        """
        values, faults = _all_values(space)
        parameters = self.parameters | values
        faults += _faults(parameters)
        if faults:
            raise SpecError("", [Fault(f"space.{fault.path}", fault.message) for fault in faults])
        return self.model_copy(update={"parameters": parameters})

    def check(self, frame: Frame) -> None:
        """Check that some neck of the space fits the frame.

        Raises:
            SpecError: none does.
        """
        if not any(_fits(frame, f, n) for f in self.parameters["finest"] for n in self.parameters["levels"]):
            have = ", ".join(f"P{x}" for x in frame.levels)
            message = (
                f"finest {list(self.parameters['finest'])} and levels {list(self.parameters['levels'])}: nothing fits; "
                f"the backbone gives {have}, and the coarsest map of an image of {frame.image_size} pixels "
                f"must have {SMALLEST_MAP} cells a side"
            )
            raise SpecError("", [Fault("space.levels", message)])

    def suggest(self, trial: Trial, frame: Frame) -> NeckSpec:
        """The neck that `trial` proposes; only parameters that matter to it are asked for."""
        return _pyramid(_Chooser(self.parameters, trial), frame)

    def walk(self, frame: Frame) -> Iterator[tuple[dict[str, Choice], NeckSpec]]:
        """Every proposal of the space, once, with its parameters."""
        script: list[int] | None = []
        while script is not None:
            trial = _Script(script)
            neck = self.suggest(trial, frame)
            yield trial.params, neck
            script = trial.next()

    def sample(self, frame: Frame, rng: random.Random) -> tuple[dict[str, Choice], NeckSpec]:
        """A proposal drawn evenly choice by choice, with its parameters."""
        trial = _Draw(rng)
        return trial.params, self.suggest(trial, frame)


class _Chooser:
    """Asks a trial for one parameter at a time, from those of its choices that are allowed here."""

    def __init__(self, parameters: Mapping[str, Values], trial: Trial) -> None:
        self.parameters = parameters
        self.trial = trial

    def __call__(self, name: str, allowed: Callable[[Any], bool] | None = None, ask: str | None = None) -> Any:
        choices = [c for c in self.parameters[name] if allowed is None or allowed(c)]
        ask = ask or name
        if len(choices) == 1:
            return choices[0]
        # Optuna fixes a name's kind, and the categories of those that have some, for the whole study.
        progression = _progression(choices) if _progression(self.parameters[name]) else None
        if progression is not None:
            return self.trial.suggest_int(ask, progression[0], progression[-1], step=progression.step)
        if len(choices) < len(self.parameters[name]):
            ask = f"{ask}_of_{'_'.join(map(str, choices))}"
        return self.trial.suggest_categorical(ask, choices)


def _progression(choices: Sequence[Choice]) -> range | None:
    """The choices as a range where they are evenly spaced whole numbers, so that a sampler sees their order."""
    numbers = [c for c in choices if isinstance(c, int)]
    if len(numbers) < len(choices) or len(numbers) < 2:
        return None
    step = numbers[1] - numbers[0]
    if step <= 0 or any(b - a != step for a, b in pairwise(numbers)):
        return None
    return range(numbers[0], numbers[-1] + 1, step)


def _fits(frame: Frame, finest: Any, levels: Any) -> bool:
    coarsest = finest + levels - 1
    return finest in frame.channels and coarsest <= MAX_LEVEL and frame.map_size(coarsest) >= SMALLEST_MAP


def _pyramid(choose: _Chooser, frame: Frame) -> NeckSpec:
    finest = choose("finest", lambda f: any(_fits(frame, f, n) for n in choose.parameters["levels"]))
    count = choose("levels", lambda n: _fits(frame, finest, n))
    levels = range(finest, finest + count)
    topology = choose("topology")
    fuses = topology != "none"
    fusion = choose("fusion") if fuses else "add"
    upsample = choose("upsample") if fuses else "nearest"
    if choose("widths") == "level" and count > 1:
        widths = {level: choose("width", ask=f"width_p{level}") for level in levels}
    else:
        widths = dict.fromkeys(levels, choose("width"))
    inputs = [level for level in frame.levels if level in levels]
    return topologies.pyramid(inputs, levels, widths, topology, fusion, upsample, choose("conv"), choose("norm"))


_KNOWN: dict[str, tuple[str, ...] | range] = {
    "finest": range(1, 8),
    "levels": range(1, 8),
    "topology": ("none", "top_down", "bidirectional"),
    "fusion": tuple(words.FUSIONS),
    "upsample": tuple(words.UPSAMPLINGS),
    "widths": ("shared", "level"),
    "width": range(1, 4097),
    "conv": tuple(name for name in words.BLOCKS if name not in ("identity", "ppm")),
    "norm": tuple(words.NORMS),
}
"""Parameters of the pyramid template and what each may be."""

_UNASKED: dict[str, Any] = {"norm": "none"}
"""Parameters that a space file may leave out, and what they are then."""


def _faults(parameters: Mapping[str, Values]) -> list[Fault]:
    faults = [
        Fault(name, f"unknown parameter; one of {', '.join(_KNOWN)}") for name in parameters if name not in _KNOWN
    ]
    faults += [Fault(name, "is missing") for name in _KNOWN if name not in parameters]
    for name, values in parameters.items():
        known = _KNOWN.get(name)
        for value in values if known is not None else ():
            if value not in known:  # type: ignore[operator]
                what = f"{known[0]} to {known[-1]}" if isinstance(known, range) else ", ".join(map(str, known or ()))
                faults.append(Fault(name, f"{value!r} is not one of {what}"))
    return faults


def _all_values(given: Mapping[str, Any]) -> tuple[dict[str, Values], list[Fault]]:
    """The choices of every parameter, and what is wrong with those that have none."""
    values: dict[str, Values] = {}
    faults = []
    for name, value in given.items():
        try:
            values[name] = _values(value)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    return values, faults


def _values(given: Any) -> Values:
    """Choices from a list, a range or a single value.

    Raises:
        ValueError: no choices, or choices twice.
    """
    if isinstance(given, Mapping):
        try:
            spec = Range.parse(given)
        except SpecError as error:
            raise ValueError("; ".join(map(str, error.faults))) from None
        return tuple(range(spec.low, spec.high + 1, spec.step))
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not values:
        raise ValueError("an empty list of choices")
    if any(isinstance(v, bool) or not isinstance(v, str | int) for v in values):
        raise ValueError(f"choices are names or whole numbers, not {list(values)}")
    if len(set(values)) < len(values):
        raise ValueError(f"a choice stands twice in {list(values)}")
    return values


class _Script:
    """A trial that answers from a script of indices, and knows the script that comes next."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.counts: list[int] = []
        self.params: dict[str, Choice] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        place = len(self.counts)
        if place == len(self.script):
            self.script.append(0)
        self.counts.append(len(choices))
        self.params[name] = choices[self.script[place]]
        return choices[self.script[place]]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.suggest_categorical(name, range(low, high + 1, step)))

    def next(self) -> list[int] | None:
        script = self.script[: len(self.counts)]
        while script and script[-1] == self.counts[len(script) - 1] - 1:
            script.pop()
        return [*script[:-1], script[-1] + 1] if script else None


class _Draw:
    """A trial that answers at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.params: dict[str, Choice] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = self.rng.choice(list(choices))
        return self.params[name]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.suggest_categorical(name, range(low, high + 1, step)))
