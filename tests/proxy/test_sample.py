from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import NeckSpec
from nas.proxy.sample import SampledNeck, stratified_sample
from nas.studies.catalog import read_space

FRAME = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=160)


def size(neck: NeckSpec) -> float:
    return float(sum(node.width**2 for node in neck.nodes))


def sample(count: int, seed: int = 0, **space: Any) -> list[SampledNeck]:
    return stratified_sample(read_space("pyramid").narrowed(space), FRAME, size, count, seed)


@cache
def chosen(count: int, seed: int = 0) -> list[SampledNeck]:
    """The sample of the whole space, drawn once for all tests."""
    return sample(count, seed)


def test_necks_are_distinct_and_repeat_for_the_same_seed() -> None:
    necks = chosen(24)
    assert len({item.digest for item in necks}) == len(necks) == 24
    assert [item.digest for item in sample(24)] == [item.digest for item in necks]
    assert {item.digest for item in chosen(24, seed=1)} != {item.digest for item in necks}
    assert all(item.digest == digest(item.neck) and item.cost == size(item.neck) for item in necks)


@pytest.mark.parametrize("count", [24, 60])
@pytest.mark.parametrize("seed", range(3))
def test_every_choice_comes_about_as_often_as_the_others(count: int, seed: int) -> None:
    necks = chosen(count, seed)
    for name, choices in (("finest", 3), ("topology", 4), ("conv", 2), ("widths", 2)):
        often = Counter(item.params[name] for item in necks)
        assert len(often) == choices
        assert max(often.values()) - min(often.values()) <= 0.3 * count, (name, often)


@pytest.mark.parametrize("count", [24, 60])
def test_costs_are_spread(count: int) -> None:
    costs = sorted(item.cost for item in chosen(count))
    assert costs[-count // 5] > 4 * costs[count // 5]


def test_the_first_of_a_longer_list_are_the_shorter_one() -> None:
    assert [item.digest for item in chosen(60)[:24]] == [item.digest for item in chosen(24)]


def test_what_has_no_cost_is_left_out() -> None:
    def small(neck: NeckSpec) -> float | None:
        return size(neck) if len(neck.nodes) < 8 else None

    necks = stratified_sample(read_space("pyramid"), FRAME, small, 24)
    assert len(necks) == 24
    assert all(len(item.neck.nodes) < 8 for item in necks)


def test_few_that_meet_a_constraint_are_looked_for_longer() -> None:
    def one_in_ten(neck: NeckSpec) -> float | None:
        return size(neck) if int(digest(neck)[-4:], 16) % 10 == 0 else None

    assert len(stratified_sample(read_space("pyramid"), FRAME, one_in_ten, 100)) == 100


def test_a_small_space_is_taken_whole() -> None:
    fixed = {"levels": 2, "topology": "top_down", "upsample": "nearest", "widths": "shared", "width": 16, "repeats": 1}
    fixed |= {"norm": "none", "act": "none"}
    necks = sample(24, finest=[2, 3], fusion=["add", "concat"], conv="plain", **fixed)
    assert len(necks) == 4
