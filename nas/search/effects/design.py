"""Design: the choices of trained necks as numbers, and which effects they can tell apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nas.search_space import Choice

Floats = NDArray[np.float64]

SIZE = 8
"""Whole numbers from which a parameter counts as a size: doubling it means something, unlike a number of levels."""

_ZERO = 1e-8


@dataclass(frozen=True, eq=False)
class Factor:
    """A parameter over the necks, one row a neck.

    Attributes:
        name: the parameter.
        choices: those that occur.
        shares: how much of each neck has each choice, [necks, choices]. A parameter that is chosen for each level has
            shares of several; one that does not matter to a neck has a row of zeros.
    """

    name: str
    choices: tuple[Choice, ...]
    shares: Floats

    @property
    def is_size(self) -> bool:
        """Whether a slope per doubling says something that the choices alone do not."""
        return len(self.choices) > 2 and all(isinstance(c, int) and c >= SIZE for c in self.choices)

    @cached_property
    def basis(self) -> Floats:
        """Orthonormal contrasts between the choices, [choices, choices - 1]: their effects sum to zero."""
        count = len(self.choices)
        return np.linalg.qr(np.c_[np.ones(count), np.eye(count)[:, :-1]])[0][:, 1:]

    @cached_property
    def columns(self) -> Floats:
        """The necks in these contrasts, [necks, choices - 1]."""
        return self.shares @ self.basis

    @cached_property
    def slope(self) -> Floats:
        """Doublings above the mean of the choices, [necks, 1]; of sizes chosen by level those of the geometric mean."""
        doublings = np.log2(np.array(self.choices, np.float64))
        return np.asarray(self.shares @ (doublings - doublings.mean())[:, None])

    @cached_property
    def features(self) -> Floats:
        """Z, [necks, features]: Z Z' is how alike necks are in this parameter, with a mean variance of 1."""
        alike = normalized(self.columns)
        return normalized(np.c_[alike, normalized(self.slope)]) if self.is_size else alike

    @property
    def questions(self) -> list[Question]:
        """Every effect in question. Of two choices the second against the first."""
        slopes = [Question(self, None, None)] if self.is_size else []
        if len(self.choices) == 2:
            return [*slopes, Question(self, self.choices[1], self.choices[0])]
        return slopes + [Question(self, choice, None) for choice in self.choices]


@dataclass(frozen=True, eq=False)
class Question:
    """What a choice does; `choice` and `against` as in `Effect`."""

    factor: Factor
    choice: Choice | None
    against: Choice | None

    @property
    def columns(self) -> Floats:
        """The columns in which the effect is a contrast."""
        return self.factor.slope if self.choice is None else self.factor.columns

    @property
    def contrast(self) -> Floats:
        """One doubling; or the choice against the mean of the others."""
        if self.choice is None:
            return np.ones(1)
        others = len(self.factor.choices) - 1
        weights = [1.0 if c == self.choice else -1 / others for c in self.factor.choices]
        return np.asarray(self.factor.basis.T @ np.array(weights))

    @property
    def having(self) -> NDArray[np.bool_]:
        """Which necks have the choice anywhere, or the parameter at all."""
        shares = self.factor.shares
        own = shares if self.choice is None else shares[:, [self.factor.choices.index(self.choice)]]
        return np.asarray(own.any(1))


@dataclass(frozen=True, eq=False)
class Design:
    """The parameters that vary over the necks.

    Attributes:
        factors: the parameters.
        necks: how many necks there are.
        seen: the choices of every parameter of the space that occur, also where that is one or none.
    """

    factors: tuple[Factor, ...]
    necks: int
    seen: Mapping[str, tuple[Choice, ...]]

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Floats]:
        """The features of each pair of parameters: all products of one's with the other's."""
        return {
            (a.name, b.name): np.einsum("ni,nj->nij", a.features, b.features).reshape(self.necks, -1)
            for a, b in combinations(self.factors, 2)
        }

    def background(self, without: Sequence[str]) -> tuple[Floats, Floats]:
        """The features of all other parameters, and of all pairs but the one that `without` names."""
        none = np.zeros((self.necks, 0))
        alone = [f.features for f in self.factors if f.name not in without]
        pairs = [features for pair, features in self.pairs.items() if pair != tuple(without)]
        return normalized(np.concatenate([none, *alone], 1)), normalized(np.concatenate([none, *pairs], 1))

    def confounded(self, columns: Floats, contrast: Floats, without: Sequence[str]) -> str | None:
        """What a contrast of some columns always varies together with; None if it can be told from all others.

        With twice as many necks as columns, all other parameters are looked at together, and else one by one.
        """
        others = [f for f in self.factors if f.name not in without]
        for other in others:
            if not estimable(self.fixed(columns, other.columns), contrast):
                return other.name
        together = self.fixed(columns, *(f.columns for f in others))
        if self.necks >= 2 * together.shape[1] and not estimable(together, contrast):
            return "several other parameters"
        return None

    def fixed(self, *columns: Floats) -> Floats:
        """Columns beside an intercept; contrasts of the first come first behind it."""
        return np.concatenate([np.ones((self.necks, 1)), *columns], axis=1)


def estimable(matrix: Floats, contrast: Floats) -> bool:
    """Whether the rows determine a contrast of the columns right behind the intercept."""
    padded = np.zeros(matrix.shape[1])
    padded[1 : 1 + len(contrast)] = contrast
    # Of many rows only as many left vectors as there are columns: nothing asks for the others.
    _, values, vectors = np.linalg.svd(matrix, full_matrices=len(matrix) < matrix.shape[1])
    rank = int((values > _ZERO * values[0]).sum())
    return bool(np.abs(vectors[rank:] @ padded).max(initial=0.0) < _ZERO * 100)


def normalized(features: Floats) -> Floats:
    """Features scaled to a mean variance of 1 around the mean of the necks; zeros where nothing varies."""
    variance = float((features**2).sum() - (features.sum(0) ** 2).sum() / len(features)) / len(features)
    return np.asarray(features / np.sqrt(variance)) if variance > _ZERO else np.zeros_like(features)


def design_of(rows: Sequence[Mapping[str, Choice]], parameters: Mapping[str, Sequence[Choice]]) -> Design:
    """The design of necks.

    Args:
        rows: the parameters of the trial of each neck, by Optuna's names.
        parameters: the parameters of the space, with their choices.
    """
    factors, seen = [], {}
    for name, choices in parameters.items():
        answers = [asked(row, name, parameters) for row in rows]
        shares = np.array([[row.count(c) / len(row) if row else 0.0 for c in choices] for row in answers])
        occurs = np.asarray(shares.any(0))
        seen[name] = tuple(c for c, there in zip(choices, occurs, strict=True) if there)
        factor = Factor(name, seen[name], shares[:, occurs])
        if len(factor.choices) > 1:
            factors.append(factor)
    return Design(tuple(factors), len(rows), seen)


def asked(row: Mapping[str, Choice], name: str, known: Mapping[str, object]) -> list[Choice]:
    """The answers of a trial to a parameter, also where its name says which choices there were (`fusion_of_add_mean`)
    or which part of the neck it is for (`width_p3`, `cell2_fusion`).
    """
    form = re.compile(rf"([a-z]+\d+_)?{re.escape(name)}(_p\d+)?(_of_.+)?")
    return [value for key, value in row.items() if key == name or (key not in known and form.fullmatch(key))]
