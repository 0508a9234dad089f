"""Interactions: pairs of parameters whose choices together do more, or less, than the sum of what each does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from nas.search.effects.design import Design, Factor, Question
from nas.search.effects.mixed import LEAST_FREEDOM, Estimates, fit
from nas.search.effects.values import LEVEL, Interaction

Floats = NDArray[np.float64]

CELL = 2
"""Necks that must have both choices."""

_ZERO = 1e-6


@dataclass(frozen=True, eq=False)
class Pair:
    """The pair of choices that stands out the most of two parameters that interact."""

    a: Question
    b: Question
    found: Estimates
    p: float

    def value(self, k: int, scale: float, logarithmic: bool) -> Interaction:
        """The interaction in one metric, the `k`-th."""
        bounds = self.found.bounds(k, scale, LEVEL)
        value, low, high = (float(np.exp(x)) if logarithmic else x for x in bounds)
        return Interaction(
            parameters=(self.a.factor.name, self.b.factor.name),
            choices=(self.a.choice, self.b.choice),
            against=(self.a.against, self.b.against),
            value=value,
            low=low,
            high=high,
            p=self.p,
        )


def interactions(design: Design, data: Floats) -> list[list[Pair]]:
    """For each metric the pairs of parameters that clearly interact, the clearest first.

    A pair is tested as a whole, and all tests of a metric together err as rarely as one would (Holm, "A simple
    sequentially rejective multiple test procedure", 1979).

    Args:
        design: the necks.
        data: the metrics, [necks, metrics].
    """
    tested = [test for a, b in combinations(design.factors, 2) if (test := _test(design, a, b, data)) is not None]
    found: list[list[Pair]] = []
    for k in range(data.shape[1]):
        ranked = sorted(tested, key=lambda test: float(test[0][k]))
        clear: list[Pair] = []
        for place, (p_values, cells) in enumerate(ranked):
            if p_values[k] * (len(ranked) - place) > 1 - LEVEL:
                break
            a, b, estimates = max(cells, key=lambda cell: abs(cell[2].mean[k] / cell[2].deviation[k]))
            clear.append(Pair(a, b, estimates, float(p_values[k])))
        found.append(clear)
    return found


_Cell = tuple[Question, Question, Estimates]


def _test(design: Design, a: Factor, b: Factor, data: Floats) -> tuple[Floats, list[_Cell]] | None:
    """Whether two parameters interact: p for each metric, and the estimates of the cells; None if nothing shows it."""
    own, other = _columns(a), _columns(b)
    both = np.einsum("ni,nj->nij", own, other).reshape(design.necks, -1)
    alone = design.fixed(a.columns, b.columns)
    left = both - alone @ np.linalg.lstsq(alone, both, rcond=None)[0]
    vectors, values, mixes = np.linalg.svd(left, full_matrices=False)
    rank = int((values > _ZERO * np.sqrt(design.necks)).sum())
    main = np.linalg.matrix_rank(alone)
    if rank == 0 or main < alone.shape[1] or design.necks - main - rank < LEAST_FREEDOM:
        return None
    columns = vectors[:, :rank]
    model = fit(design.fixed(columns, a.columns, b.columns), design.background((a.name, b.name)), data)
    cells = []
    for one, two in _cells(a, b):
        cell = np.kron(one.contrast, two.contrast)
        weights = mixes[:rank] @ cell
        if weights @ weights < (1 - _ZERO) * (cell @ cell):
            continue  # a cell that the necks do not determine
        contrast = weights / values[:rank]
        names = (a.name, b.name)
        if design.confounded(np.c_[columns, a.columns, b.columns], contrast, names) is None:
            cells.append((one, two, model.contrast(contrast)))
    return (model.p_value(rank), cells) if cells else None


def _columns(factor: Factor) -> Floats:
    """A size acts by its doublings alone: an interaction of every width with everything would take too many necks."""
    return factor.slope if factor.is_size else factor.columns


def _cells(a: Factor, b: Factor) -> Iterator[tuple[Question, Question]]:
    """The pairs of choices that enough necks have."""
    questions = ([q for q in f.questions if q.choice is None or not f.is_size] for f in (a, b))
    for one, two in product(*questions):
        if (one.having & two.having).sum() >= CELL:
            yield one, two
