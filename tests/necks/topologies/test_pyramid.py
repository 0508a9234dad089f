"""The template of the `pyramid` space: every option does something, fits any widths, and can be trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import nas
from nas.necks.canonical import digest
from nas.necks.operators import DOWNSAMPLINGS, FUSIONS
from nas.necks.topologies import MergingCell, bifpn, merging_cells, pyramid
from nas.search_space.pyramid import CONV_KINDS
from tests.models.maps import features, randomised, weighted_sum, without_gradient

CHANNELS = {3: 6, 4: 10, 5: 12}
WIDTHS = {3: 8, 4: 12, 5: 12, 6: 16}
PYRAMID_TOPOLOGIES = ("none", "top_down", "bidirectional", "bifpn", "fully_connected")


def made(topology: str, **options: Any) -> Any:
    return pyramid((3, 4, 5), tuple(WIDTHS), WIDTHS, topology, **options)


def test_defaults_change_nothing() -> None:
    named = {"act": "none", "order": "post", "downsample": "conv", "context": "none", "repeats": 1}
    for topology in PYRAMID_TOPOLOGIES:
        assert made(topology, **named) == made(topology)


@pytest.mark.parametrize("topology", PYRAMID_TOPOLOGIES)
def test_every_option_makes_another_neck(topology: str) -> None:
    options: list[dict[str, Any]] = [{}, {"act": "relu"}, {"act": "relu", "order": "pre"}, {"context": "ppm"}]
    if topology != "none":
        options += [{"repeats": 2}, {"repeats": 3}]
    if topology in ("bidirectional", "bifpn", "fully_connected"):
        options += [{"downsample": "max_pool"}]
    assert len({digest(made(topology, **some)) for some in options}) == len(options)


@pytest.mark.parametrize("topology", PYRAMID_TOPOLOGIES)
@pytest.mark.parametrize("downsample", DOWNSAMPLINGS)
@pytest.mark.parametrize("fusion", ["add", "concat", "fast_attention"])
def test_a_width_a_level_trains(topology: str, downsample: str, fusion: str) -> None:
    neck = made(topology, fusion=fusion, downsample=downsample, repeats=2, act="silu", order="pre", norm="batch")
    model = randomised(nas.build_neck(neck, list(CHANNELS.values())))
    maps = model(features(CHANNELS, 64))
    assert [x.shape[1] for x in maps.values()] == list(WIDTHS.values())
    weighted_sum(maps).backward()
    assert without_gradient(model) == []


@pytest.mark.parametrize("conv", CONV_KINDS)
@pytest.mark.parametrize("order", ["post", "pre"])
def test_every_block_trains(conv: str, order: str) -> None:
    cells = [MergingCell(3, 0, 1, "add"), MergingCell(4, 0, 2, "concat"), MergingCell(5, 3, 4, "global_gate")]
    necks = [
        made("bidirectional", conv=conv, act="relu", order=order, norm="batch"),
        merging_cells((3, 4, 5), (3, 4, 5), 8, cells, 2, conv),
    ]
    for neck in necks:
        model = randomised(nas.build_neck(neck, list(CHANNELS.values())))
        weighted_sum(model(features(CHANNELS, 64))).backward()
        assert without_gradient(model) == []


@pytest.mark.parametrize("repeats", [1, 3])
def test_bifpn_is_the_published_one(repeats: int) -> None:
    """With the convolutions of EfficientDet."""
    convs: dict[str, Any] = {"conv": "separable", "norm": "batch", "act": "silu", "order": "pre"}
    widths = dict.fromkeys(WIDTHS, 8)
    options = convs | {"fusion": "fast_attention", "downsample": "max_pool", "repeats": repeats}
    neck = pyramid((3, 4, 5), tuple(widths), widths, "bifpn", **options)
    assert digest(neck) == digest(bifpn((3, 4, 5), 8, extra=1, repeats=repeats))


@pytest.mark.parametrize("topology", ["top_down", "bidirectional"])
def test_a_gate_gets_the_coarser_map_first(topology: str) -> None:
    neck = made(topology, fusion="global_gate", repeats=2)
    for node in neck.nodes:
        if node.fuse == "global_gate" and len(node.inputs) == 2:
            first, second = (neck.level_of(edge.source) for edge in node.inputs)
            assert first > second
    assert not FUSIONS["global_gate"].commutative


def test_context_takes_the_place_of_the_coarsest_lateral() -> None:
    neck = made("top_down", context="ppm")
    pooled = [node for node in neck.nodes if node.block is not None and node.block.kind == "ppm"]
    assert [(node.level, [edge.source for edge in node.inputs]) for node in pooled] == [(5, [2])]
    maps = nas.build_neck(neck, list(CHANNELS.values())).eval()(features(CHANNELS, 192))
    assert all(torch.isfinite(x).all() for x in maps.values())
