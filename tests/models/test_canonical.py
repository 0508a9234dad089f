"""One digest, one function: what torch computes of necks that are written otherwise, and of necks that differ.

See `tests.models.functions` for what makes two functions the same.
"""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import NeckSpec
from nas.necks.topologies import TOPOLOGIES
from nas.studies.catalog import read_space
from tests.models.functions import Function, function
from tests.neighbours import neighbours
from tests.strategies import CHANNELS, necks

SPACES = ("pyramid", "wide_pyramid", "merging_cells", "deploy", "seed", "modern")
FRAME = Frame(channels={2: 6, 3: 8, 4: 12, 5: 16}, image_size=128)


def sampled(space: str, count: int) -> list[NeckSpec]:
    rng = random.Random(0)
    return [read_space(space).sample(FRAME, rng)[1] for _ in range(count)]


def computed(neck: NeckSpec, as_written: bool = False) -> Function:
    return function(neck, FRAME.channels, FRAME.image_size, as_written=as_written)


def check_digests(space: str, count: int) -> None:
    """Digests of sampled necks are equal where, and only where, the functions are."""
    functions: dict[str, Function] = {}
    for neck in sampled(space, count):
        known = functions.setdefault(digest(neck), computed(neck))
        assert known.agrees(computed(neck, as_written=True)), neck
    alike: dict[object, list[str]] = defaultdict(list)
    for name, found in functions.items():
        alike[found.parameters].append(name)
    for digests in alike.values():
        for one, other in combinations(digests, 2):
            assert not functions[one].agrees(functions[other]), (one, other)


@pytest.mark.parametrize("space", SPACES)
def test_digests_tell_the_functions_of_a_space(space: str) -> None:
    check_digests(space, 8)


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_digests_tell_many_functions_of_a_space(space: str) -> None:
    check_digests(space, 300)


def check_neighbours(neck: NeckSpec, channels: dict[int, int], rng: random.Random, count: int) -> None:
    """Of necks next to `neck`: the digest is the same if the function is, and differs if it does."""
    side = 2 << max(6, *neck.output_levels)  # on maps of one cell most resamplings are one
    own = function(neck, channels, side)
    for other in islice(neighbours(neck, channels, rng), count):
        assert (digest(other) == digest(neck)) == function(other, channels, side).is_the_same(own), other


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fpn", "panet", "bifpn", "nas_fpn", "gfpn", "unet", "upernet", "fully_connected"])
def test_neighbours_of_a_published_neck(name: str) -> None:
    check_neighbours(TOPOLOGIES[name]((3, 4, 5), width=8), FRAME.channels, random.Random(0), 12)


# The same necks each time: one whose `mean` takes a map twice has a digest more than functions, and would come up once
# in a thousand runs.
@pytest.mark.slow
@settings(max_examples=25, derandomize=True)
@given(necks(), st.integers(0, 99).map(random.Random))
def test_neighbours_of_a_free_graph(neck: NeckSpec, rng: random.Random) -> None:
    check_neighbours(neck, CHANNELS, rng, 6)


@settings(max_examples=20)
@given(necks())
def test_the_canonical_neck_computes_what_was_written(neck: NeckSpec) -> None:
    assert function(neck, CHANNELS, as_written=True).agrees(function(neck, CHANNELS))
