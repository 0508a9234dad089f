"""Choices of a space's parameters, and the trials that answer for them."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol, Self

from pydantic import Field, model_validator

from nas.errors import Fault, SpecError
from nas.value import Value

Choice = str | int
Values = tuple[Choice, ...]


class Trial(Protocol):
    """What is used of an Optuna trial."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int: ...


class Range(Value):
    """Whole numbers from `low` to `high` in steps."""

    low: int
    """Least number."""
    high: int
    """Greatest number."""
    step: int = Field(1, ge=1)
    """Distance between two numbers."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"an empty range: low {self.low} is above high {self.high}")
        return self


class Chooser:
    """Asks a trial for one parameter at a time, from those of its choices that are allowed here."""

    def __init__(self, parameters: Mapping[str, Values], trial: Trial) -> None:
        self.parameters = parameters
        self.trial = trial
        self.chosen: dict[str, Choice] = {}

    def __call__(self, name: str, allowed: Callable[[Any], bool] | None = None, ask: str | None = None) -> Any:
        ask = ask or name
        values = self.parameters.get(ask, self.parameters[name])
        self.chosen[ask] = choice = self._choice(name, [c for c in values if allowed is None or allowed(c)], ask)
        return choice

    def _choice(self, name: str, choices: list[Choice], ask: str) -> Any:
        if len(choices) == 1:
            return choices[0]
        # Optuna fixes a name's kind, and the categories of those that have some, for the whole study.
        progression = _progression(choices) if _progression(self.parameters[name]) else None
        if progression is not None:
            return self.trial.suggest_int(ask, progression[0], progression[-1], step=progression.step)
        if len(choices) < len(self.parameters[name]):
            ask = f"{ask}_of_{'_'.join(map(str, choices))}"
        return self.trial.suggest_categorical(ask, choices)

    def one_of(self, ask: str, count: int) -> int:
        """One of 0 to `count` - 1, in no order; the name tells the count, for a name's categories may not change."""
        return int(self.trial.suggest_categorical(f"{ask}_of_{count}", list(range(count)))) if count > 1 else 0


def _progression(choices: Sequence[Choice]) -> range | None:
    """The choices as a range where they are evenly spaced whole numbers, so that a sampler sees their order."""
    numbers = [c for c in choices if isinstance(c, int)]
    if len(numbers) < len(choices) or len(numbers) < 2:
        return None
    step = numbers[1] - numbers[0]
    if step <= 0 or any(b - a != step for a, b in pairwise(numbers)):
        return None
    return range(numbers[0], numbers[-1] + 1, step)


def all_values(given: Mapping[str, Any]) -> tuple[dict[str, Values], list[Fault]]:
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


class Answering(ABC):
    """A trial of our own, to which numbers are choices like any other."""

    @abstractmethod
    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.suggest_categorical(name, range(low, high + 1, step)))


class Script(Answering):
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

    def next(self) -> list[int] | None:
        script = self.script[: len(self.counts)]
        while script and script[-1] == self.counts[len(script) - 1] - 1:
            script.pop()
        return [*script[:-1], script[-1] + 1] if script else None


class Replay(Answering):
    """A trial that answers what a chooser has chosen. `params`: what it was asked, and its answers."""

    def __init__(self, chosen: Mapping[str, Choice]) -> None:
        self.chosen = chosen
        self.params: dict[str, Choice] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = self.chosen[name.partition("_of_")[0]]
        return self.params[name]


class Draw(Answering):
    """A trial that answers at random. `ways`: one over the chance of the answers given so far."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ways = 1
        self.params: dict[str, Choice] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.ways *= len(choices)
        self.params[name] = self.rng.choice(list(choices))
        return self.params[name]
