"""The number of necks in a space. Many necks have several encodings."""

from __future__ import annotations

import random
import statistics
from itertools import islice
from typing import NamedTuple

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import MAX_LEVEL
from nas.search_space.choosing import Chooser
from nas.search_space.space import TEMPLATES, SearchSpace
from nas.search_space.trials import RandomTrial

MAX_ENUMERATED = 5_000
"""Most proposals that are enumerated, which takes seconds."""

SAMPLES = 20_000
"""Number of proposals that an estimate rests on."""


class Count(NamedTuple):
    """The size of a space.

    Attributes:
        encodings: number of proposals.
        necks: number of distinct necks.
        exact: whether both were counted rather than estimated.
        error: standard error of `necks`; 0 if they were counted.
    """

    encodings: int
    necks: int
    exact: bool
    error: float


def count(
    space: SearchSpace, frame: Frame, max_enumerated: int = MAX_ENUMERATED, samples: int = SAMPLES, seed: int = 0
) -> Count:
    """Count the distinct necks of a space by their digests, or estimate their number.

    An estimate draws proposals at random, choice by choice. A proposal of probability p is one of m that make its neck.
    The mean of 1 / p estimates the number of proposals, and that of 1 / (p m) the number of necks, both without bias.
    m is `Proposal.encodings`.
    Source: Knuth, "Estimating the efficiency of backtrack programs" (1975).

    Args:
        space: the space.
        frame: what the task offers.
        max_enumerated: number of proposals up to which necks are counted.
        samples: number of proposals drawn for an estimate.
        seed: seed of the draws.
    """
    template = TEMPLATES[space.template]
    if len(list(islice(template.proposals(space.choices, frame), max_enumerated + 1))) <= max_enumerated:
        digests = [digest(neck) for _, neck in space.proposals(frame)]
        return Count(len(digests), len(set(digests)), True, 0.0)
    rng = random.Random(seed)
    encodings, necks = [], []
    for _ in range(samples):
        trial = RandomTrial(rng)
        proposal = template.proposal(Chooser(space.choices, trial), frame)
        encodings.append(trial.inverse_probability)
        necks.append(trial.inverse_probability / proposal.encodings(space.choices))
    error = statistics.stdev(necks) / samples**0.5
    return Count(round(statistics.fmean(encodings)), round(statistics.fmean(necks)), False, error)


def nominal_frame(space: SearchSpace) -> Frame:
    """The frame on which a space is counted without a task: levels up to P5, and images large enough for all levels."""
    finest = [int(x) for x in space.choices.get("finest", (2,))]
    levels = range(min(finest), max(5, *finest) + 1)
    return Frame(channels={level: 8 * 2**level for level in levels}, image_size=2 ** (MAX_LEVEL + 1))
