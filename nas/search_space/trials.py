"""Trials that answer a space's questions without Optuna: one after another, from recorded choices, or at random."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Choice = str | int


class Trial(Protocol):
    """The part of an Optuna trial that spaces use."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int: ...


class CategoricalTrial(ABC):
    """A trial for which numbers are categories like any other.

    Attributes:
        params: the parameters it was asked for, with its answers.
    """

    def __init__(self) -> None:
        self.params: dict[str, Choice] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = answer = self._answer(name, choices)
        return answer

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.suggest_categorical(name, range(low, high + 1, step)))

    @abstractmethod
    def _answer(self, name: str, choices: Sequence[Any]) -> Any:
        """One of `choices`."""


class GridTrial(CategoricalTrial):
    """A trial of an exhaustive enumeration, as of nested loops in which the last parameter changes fastest.

    Args:
        indices: number of the choice for each parameter in the order of asking; further parameters get their first.
    """

    def __init__(self, indices: list[int]) -> None:
        super().__init__()
        self._indices = indices
        self._sizes: list[int] = []

    def _answer(self, name: str, choices: Sequence[Any]) -> Any:
        place = len(self._sizes)
        if place == len(self._indices):
            self._indices.append(0)
        self._sizes.append(len(choices))
        return choices[self._indices[place]]

    def next_indices(self) -> list[int] | None:
        """The indices of the trial that follows; None after the last."""
        indices = self._indices[: len(self._sizes)]
        while indices and indices[-1] == self._sizes[len(indices) - 1] - 1:
            indices.pop()
        return [*indices[:-1], indices[-1] + 1] if indices else None


class ReplayTrial(CategoricalTrial):
    """A trial that repeats the choices of a `Chooser`.

    Args:
        chosen: `Chooser.chosen`.
    """

    def __init__(self, chosen: Mapping[str, Choice]) -> None:
        super().__init__()
        self._chosen = chosen

    def _answer(self, name: str, choices: Sequence[Any]) -> Any:
        return self._chosen[name.partition("_of_")[0]]


class RandomTrial(CategoricalTrial):
    """A trial that answers at random, all choices with equal probability.

    Attributes:
        inverse_probability: one over the probability of all answers so far.
    """

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.inverse_probability = 1

    def _answer(self, name: str, choices: Sequence[Any]) -> Any:
        self.inverse_probability *= len(choices)
        return self._rng.choice(list(choices))
