"""certify: train spread necks under a study's proxy and in full, and tell how well the one ranks for the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.architecture import NeckSpec
from nas.measurement import Key
from nas.proxy.runs import Run
from nas.search.setup import Setup
from nas.study import StudySpec
from nas.tasks.base import Task

if TYPE_CHECKING:
    pass

Say = Callable[[str], None]

NECKS = 24
SEEDS = 2

LAST_PART = 0.2
"""The last part of a training, over which its gain tells whether it is converged."""


@dataclass(frozen=True)
class Plan:
    """What a certificate trains: the same necks, under their names, on two tasks."""

    setup: Setup
    full: Task
    necks: dict[str, NeckSpec]
    seeds: tuple[int, ...]
    metric: str

    @property
    def spec(self) -> StudySpec:
        return self.setup.spec

    def runs(self, *, full: bool) -> list[Run]:
        """The runs of one half, seed by seed, so that an early end leaves all necks with fewer seeds."""
        task = self.full if full else self.setup.task
        epochs = self.spec.full_task.epochs if full else self.spec.task.epochs
        runs = []
        for seed in self.seeds:
            for name, neck in self.necks.items():
                architecture = task.architecture(neck)
                key = Key(digest=architecture.digest, task=task.fingerprint, seed=seed, epochs=epochs)
                # The study itself can take over the proxy's runs of its seed, if they have their weights.
                runs.append(Run(name, key, architecture, weights=not full and seed == self.spec.seed))
        return runs
