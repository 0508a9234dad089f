"""How many necks a space holds, many of which have several encodings."""

from __future__ import annotations

import random
import statistics
from itertools import islice
from typing import NamedTuple

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import MAX_LEVEL
from nas.search_space.choosing import Chooser, Draw
from nas.search_space.space import TEMPLATES, SearchSpace

WALKED = 5_000
"""Proposals that are looked at one by one: seconds."""

DRAWN = 20_000


class Count(NamedTuple):
    """Proposals, distinct necks, whether both are counted; else `error` is the standard error of `necks`."""

    encodings: int
    necks: int
    exact: bool
    error: float


def count(space: SearchSpace, frame: Frame, walked: int = WALKED, drawn: int = DRAWN, seed: int = 0) -> Count:
    """Distinct necks of a space, counted by digest if there are at most `walked` proposals, else estimated.

    A proposal e is drawn with chance p(e), choice by choice, and is one of m(e) that make its neck. The mean of 1 / p
    is the number of proposals (Knuth, "Estimating the efficiency of backtrack programs", 1975), that of 1 / (p m) the
    number of necks; both without bias. m comes from the template, which knows what its encodings have in common.
    """
    template = TEMPLATES[space.template]
    if len(list(islice(template.plans(space.choices, frame), walked + 1))) <= walked:
        digests = [digest(neck) for _, neck in space.walk(frame)]
        return Count(len(digests), len(set(digests)), True, 0.0)
    rng = random.Random(seed)
    encodings, necks = [], []
    for _ in range(drawn):
        trial = Draw(rng)
        plan = template.plan(Chooser(space.choices, trial), frame)
        encodings.append(trial.ways)
        necks.append(trial.ways / plan.encodings(space.choices))
    error = statistics.stdev(necks) / drawn**0.5
    return Count(round(statistics.fmean(encodings)), round(statistics.fmean(necks)), False, error)


def nominal_frame(space: SearchSpace) -> Frame:
    """What a space is counted on without a task: a backbone with its levels up to P5, images large enough for all."""
    finest = [int(x) for x in space.choices.get("finest", (2,))]
    levels = range(min(finest), max(5, *finest) + 1)
    return Frame(channels={level: 8 * 2**level for level in levels}, image_size=2 ** (MAX_LEVEL + 1))
