"""The choices of a space's parameters, and the chooser that asks a trial for one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Self

from pydantic import Field, model_validator

from nas.errors import Fault, SpecError
from nas.search_space.trials import Choice, Trial
from nas.value import Value

Choices = tuple[Choice, ...]


class Range(Value):
    """Whole numbers from `low` to `high`, both included, in steps of `step`."""

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
    """Asks a trial for one parameter at a time.

    Optuna fixes the distribution of a parameter for the whole study. So where only some choices are allowed, or the
    number of choices varies, the name for Optuna lists or counts them.

    Args:
        parameters: the choices of every parameter.
        trial: the trial that answers.
        chosen: answers of the trial before, which the chooser adds to.

    Attributes:
        chosen: the answers so far, without what the names for Optuna add.
    """

    def __init__(
        self, parameters: Mapping[str, Choices], trial: Trial, chosen: dict[str, Choice] | None = None
    ) -> None:
        self.parameters = parameters
        self.trial = trial
        self.chosen = {} if chosen is None else chosen

    def __call__(self, name: str, allowed: Callable[[Any], bool] | None = None, alias: str | None = None) -> Any:
        """Ask for a parameter.

        Args:
            name: the parameter.
            allowed: which of its choices are possible; default: all.
            alias: name for the trial, where a parameter is asked for several times (`width_p3`).
        """
        alias = alias or name
        choices = self.parameters.get(alias, self.parameters[name])
        if allowed is not None:
            choices = tuple(c for c in choices if allowed(c))
        self.chosen[alias] = choice = self._ask(name, choices, alias)
        return choice

    def _ask(self, name: str, choices: Choices, alias: str) -> Any:
        if len(choices) == 1:
            return choices[0]
        progression = _progression(choices) if _progression(self.parameters[name]) else None
        if progression is not None:
            return self.trial.suggest_int(alias, progression[0], progression[-1], step=progression.step)
        if len(choices) < len(self.parameters[name]):
            alias = f"{alias}_of_{'_'.join(map(str, choices))}"
        return self.trial.suggest_categorical(alias, choices)

    def index(self, name: str, count: int) -> int:
        """Ask for a number from 0 to `count` - 1 whose order means nothing."""
        return int(self.trial.suggest_categorical(f"{name}_of_{count}", list(range(count)))) if count > 1 else 0


@lru_cache(maxsize=1024)  # a sampler asks a space hundreds of times for one proposal
def _progression(choices: Choices) -> range | None:
    """The choices as a range if they are evenly spaced whole numbers. A sampler then makes use of their order."""
    numbers = [c for c in choices if isinstance(c, int)]
    if len(numbers) < len(choices) or len(numbers) < 2:
        return None
    step = numbers[1] - numbers[0]
    if step <= 0 or any(b - a != step for a, b in pairwise(numbers)):
        return None
    return range(numbers[0], numbers[-1] + 1, step)


def parse_choices(parameters: Mapping[str, Any]) -> tuple[dict[str, Choices], list[Fault]]:
    """The choices of every parameter of a file, and the faults of those that cannot be read."""
    choices: dict[str, Choices] = {}
    faults = []
    for name, value in parameters.items():
        try:
            choices[name] = _parse(value)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    return choices, faults


def _parse(value: Any) -> Choices:
    """Choices from a list, a range or a single value.

    Raises:
        ValueError: there is no choice, a choice is of the wrong type, or it is listed twice.
    """
    if isinstance(value, Mapping):
        try:
            spec = Range.parse(value)
        except SpecError as error:
            raise ValueError("; ".join(map(str, error.faults))) from None
        return tuple(range(spec.low, spec.high + 1, spec.step))
    choices = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not choices:
        raise ValueError("an empty list of choices")
    if any(isinstance(v, bool) or not isinstance(v, str | int) for v in choices):
        raise ValueError(f"choices are names or whole numbers, not {list(choices)}")
    if len(set(choices)) < len(choices):
        raise ValueError(f"a choice is listed twice in {list(choices)}")
    return choices
