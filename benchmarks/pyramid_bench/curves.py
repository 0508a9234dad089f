"""The kept curves of a data set as arrays, with the space that its necks come from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import table
from numpy.typing import NDArray

from nas.necks.architecture import Frame
from nas.search_space import SearchSpace
from nas.studies.catalog import read_space, read_study

Floats = NDArray[np.float64]
METRIC = "ap"

CHANNELS = {2: 24, 3: 40, 4: 112, 5: 320}
"""Those of EfficientNet-Lite0, by level."""


class Curves:
    """The curves of a data set.

    Attributes:
        epochs: the measured points, rising [points].
        scores, seconds: of every training at these points [necks, seeds, points].
        params: of every neck.
    """

    def __init__(
        self, epochs: Sequence[int], scores: Floats, seconds: Floats, params: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.epochs = tuple(int(e) for e in epochs)
        self.scores = scores
        self.seconds = seconds
        self.params = params

    @classmethod
    def read(cls, name: str) -> Curves:
        """The kept curves of a data set."""
        _, necks, evaluations = table.read(name)
        seeds = sorted({e.key.seed for e in evaluations})
        runs = {(e.key.digest, e.key.seed): [p for p in e.curve if METRIC in p.metrics] for e in evaluations}
        both = [d for d in necks if all((d, s) in runs for s in seeds)]
        rows = [[runs[d, s] for s in seeds] for d in both]
        curves = cls(
            [p.epoch for p in rows[0][0]],
            np.array([[[p.metrics[METRIC] for p in run] for run in row] for row in rows], np.float64),
            np.array([[[p.seconds for p in run] for run in row] for row in rows], np.float64),
            [necks[d].params for d in both],
        )
        spec, _ = read_study(str(table.HERE / f"{name}.yaml"))
        curves.space = read_space(spec.search_space).narrowed(spec.space)
        curves.frame = Frame(channels=CHANNELS, image_size=spec.task.image_size)
        return curves

    space: SearchSpace
    frame: Frame

    def part(self, necks: int, seed: int) -> Curves:
        """The curves of so many necks, drawn at random."""
        if necks >= len(self.scores):
            return self
        drawn = np.random.default_rng(seed).permutation(len(self.scores))[:necks]
        found = Curves(self.epochs, self.scores[drawn], self.seconds[drawn], [self.params[k] for k in drawn])
        found.space, found.frame = self.space, self.frame
        return found

    @cached_property
    def noise(self) -> Floats:
        """Standard deviation of a score over seeds, at each point."""
        return np.sqrt(self.scores.var(1, ddof=1).mean(0))

    def point(self, epochs: float) -> int:
        """The measured point nearest to a length, by ratio."""
        return int(np.abs(np.log(np.array(self.epochs) / epochs)).argmin())
