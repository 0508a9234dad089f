"""How a space searches over the making of levels from a plain backbone's map."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import optuna
import pytest

import nas
from nas.errors import SpecError
from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import NeckSpec
from nas.necks.topologies import fpn
from nas.search_space import SearchSpace, count
from nas.search_space.choosing import Chooser
from nas.studies.catalog import read_space

SMALL: dict[str, Any] = {
    "finest": [2, 4],
    "levels": [1, 2],
    "topology": ["none", "top_down"],
    "fusion": "add",
    "upsample": "nearest",
    "widths": "shared",
    "width": 8,
    "conv": "plain",
}
ONE = Frame(channels={4: 64}, image_size=128, scales=(2, 3, 4, 5))
BLOCKS = ONE.model_copy(update={"blocks": (-4, -1)})
PYRAMID = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=128)


def space(**changes: Any) -> SearchSpace:
    return SearchSpace.parse({"name": "small", "parameters": SMALL | changes})


def params(found: SearchSpace, frame: Frame) -> set[str]:
    return {name for names, _ in found.proposals(frame) for name in names}


def test_nothing_is_asked_where_the_backbone_has_a_pyramid() -> None:
    wide = space(scale_up=["deconv", "bilinear"], scale_down=["max_pool_2x2", "conv"], block=[-1, -2])
    assert params(wide, PYRAMID) == params(space(), PYRAMID)
    assert [neck for _, neck in wide.proposals(PYRAMID)] == [neck for _, neck in space().proposals(PYRAMID)]


def test_what_does_not_matter_to_a_neck_is_not_asked() -> None:
    found = space(scale_up=["deconv", "bilinear"], scale_down=["max_pool_2x2", "conv"])
    for names, neck in found.proposals(ONE):
        neck.check(ONE.channels)
        assert ("scale_up" in names) == (names["finest"] == 2)
        assert ("scale_down" in names) == (names["finest"] == 4 and 5 in neck.output_levels)
        assert "block" not in names


def test_every_proposal_is_another_neck() -> None:
    found = space(scale_up=["deconv", "bilinear"], scale_down=["max_pool_2x2", "conv"], block=[-4, -1, "all", "each"])
    size = count(found, BLOCKS)
    assert size.exact
    assert size.encodings == len(list(found.proposals(BLOCKS)))
    # One level has the topologies none and top_down alike, and that is the only repetition.
    single = [neck for _, neck in found.proposals(BLOCKS) if len(neck.outputs) == 1]
    assert size.encodings - size.necks == len(single) - len({digest(neck) for neck in single})


def test_the_tasks_blocks_are_searched_unless_the_space_names_some() -> None:
    assert {neck.sources[0].block for _, neck in space().proposals(BLOCKS)} == {-4, -1}
    assert {neck.blocks for _, neck in space(block=-4).proposals(BLOCKS)} == {(-4,)}
    assert {neck.blocks for _, neck in space(block="each", levels=2).proposals(BLOCKS)} == {(-4, -1)}


def test_a_block_that_the_task_lacks_is_a_sentence() -> None:
    space(block=[-7, -4]).check(BLOCKS)
    with pytest.raises(
        SpecError, match=r"space\.block: -7, all is not offered by the task, .* the end are -1: list more"
    ):
        space(block=[-7, "all"]).check(ONE)
    with pytest.raises(SpecError, match=r"scale_up: 'zoom' is not one of nearest, bilinear"):
        space(scale_up="zoom")


def test_a_pyramid_that_cannot_be_made_is_a_sentence() -> None:
    with pytest.raises(SpecError, match=r"of the backbone's map are made P2, P3, P4, P5, and the coarsest map"):
        space(finest=7, levels=1).check(ONE)


def test_a_trial_is_found_again() -> None:
    found = space(scale_up=["deconv", "bilinear"], block=[-4, -1, "all"])
    for names, neck in found.proposals(BLOCKS):
        again = found.find(neck, BLOCKS)
        assert again is not None
        assert digest(found.suggest(optuna.trial.FixedTrial(again), BLOCKS)) == digest(neck)
        assert set(again) == set(names)


@pytest.mark.parametrize("name", ["pyramid", "wide_pyramid", "merging_cells", "deploy", "seed"])
def test_every_shipped_space_stands_on_one_level(name: str) -> None:
    shipped = read_space(name)
    shipped.check(BLOCKS)
    assert shipped.coarsest_input(BLOCKS) == 4
    for seed in range(5):
        _, neck = shipped.sample(BLOCKS, random.Random(seed))
        neck.check(BLOCKS.channels)
        assert set(neck.inputs) == {4}


class Own(nas.Space):
    """A space of a user's, with a parameter that happens to be called `block`."""

    parameters: Mapping[str, tuple[Any, ...]] = {"width": (8, 16), "block": ("a", "b")}

    def neck(self, choose: Chooser, frame: Frame) -> NeckSpec:
        return fpn(frame.levels, width=choose("width") * (1 + (choose("block") == "b")))


def test_a_class_stands_on_the_made_levels() -> None:
    template = Own.template()
    choices = {name: tuple(values) for name, values in Own.parameters.items()}
    necks = [proposal.neck() for _, _, proposal in template.proposals(choices, ONE)]
    assert {neck.output_levels for neck in necks} == {(2, 3, 4, 5)}
    assert len({digest(neck) for neck in necks}) == 3
