"""Studies whose effects are known: necks drawn from a space, and scores that are sums of effects, pairs and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.search.effects import Necks

Parameters = Mapping[str, tuple[str | int, ...]]

SPACE: Parameters = {
    "finest": (2, 3),
    "topology": ("none", "top_down", "bifpn"),
    "fusion": ("add", "concat", "attention"),
    "width": (16, 32, 64, 128),
    "norm": ("none", "batch"),
    "act": ("none", "silu"),
}


@dataclass(frozen=True)
class Truth:
    """What makes a score: the effect of each choice, which sum to zero in a parameter, and one pair that interacts."""

    alone: Mapping[str, Mapping[str | int, float]]
    pair: tuple[str, str] | None = None
    together: float = 0.0

    def score(self, row: Mapping[str, str | int]) -> float:
        value = sum(effects[row[name]] for name, effects in self.alone.items())
        if self.pair is not None:
            signs = [1 if row[name] == SPACE[name][0] else -1 for name in self.pair]
            value += signs[0] * signs[1] * self.together
        return value

    def effect(self, parameter: str, choice: str | int | None, seen: Sequence[str | int]) -> float:
        """What an `Effect` of that choice should be, among the choices that occur; of a doubling the slope."""
        values = np.array([self.alone[parameter][c] for c in seen])
        if choice is None:
            return float(np.polyfit(np.log2(np.array(seen, float)), values, 1)[0])
        here = np.array([c == choice for c in seen])
        return float(values[here].mean() - values[~here].mean())


def truth(rng: np.random.Generator, null: Sequence[str] = (), space: Parameters = SPACE, **more: object) -> Truth:
    """Random effects of every parameter, of sizes a slope; `null` parameters have none."""
    alone = {}
    for name, choices in space.items():
        values = rng.normal(size=len(choices)) if name != "width" else rng.normal() * np.log2(np.array(choices, float))
        values = np.zeros(len(choices)) if name in null else values - values.mean()
        alone[name] = dict(zip(choices, values.tolist(), strict=True))
    return Truth(alone, **more)  # type: ignore[arg-type]


def drawn(rng: np.random.Generator, space: Parameters = SPACE) -> dict[str, str | int]:
    return {name: choices[rng.integers(len(choices))] for name, choices in space.items()}


def searched(rng: np.random.Generator, count: int, score: Truth) -> tuple[list[dict[str, str | int]], list[float]]:
    """Necks as a search proposes them: a third at random, then mostly changes of the best so far; with their scores."""
    rows: list[dict[str, str | int]] = []
    scores: list[float] = []
    while len(rows) < count:
        row = drawn(rng)
        if len(rows) >= count / 3 and rng.random() < 0.8:
            best = rows[rng.choice(np.argsort(scores)[-max(2, len(rows) // 4) :])]
            changed = rng.choice(list(SPACE), 2)
            row = {name: row[name] if name in changed else best[name] for name in SPACE}
        rows.append(row)
        scores.append(score.score(row) + rng.normal())
    return rows, scores


def necks(
    rows: Sequence[Mapping[str, str | int]], values: Sequence[Mapping[str, float | None]], space: Parameters = SPACE
) -> Necks:
    return Necks("synthetic", space, tuple(rows), tuple(dict(v) for v in values), len(rows))
