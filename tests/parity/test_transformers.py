"""The hybrid encoders of RT-DETR, RT-DETRv2 and D-FINE against those of transformers, with weights copied."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.models.repvgg import deployed
from nas.necks.topologies import TOPOLOGIES
from tests.parity.weights import by_name, copy, count, lateral, maps, scrambled

pytest.importorskip("transformers")

CHANNELS = {3: 8, 4: 12, 5: 24}
WIDTH = 32


class Published(nn.Module):
    """The encoder of transformers behind the projections that its detector has before it."""

    def __init__(self, name: str, expand: float, depth: int) -> None:
        super().__init__()
        config = {
            "encoder_hidden_dim": WIDTH,
            "encoder_ffn_dim": 4 * WIDTH,
            "encoder_in_channels": list(CHANNELS.values()),
            "hidden_expansion": expand,
        }
        if name == "dfine":
            from transformers.models.d_fine.modeling_d_fine import DFineConfig, DFineHybridEncoder

            self.encoder: Any = DFineHybridEncoder(DFineConfig(**config, depth_mult=depth / 3))
        elif name == "rtdetr":
            from transformers.models.rt_detr.modeling_rt_detr import RTDetrConfig, RTDetrHybridEncoder

            self.encoder = RTDetrHybridEncoder(RTDetrConfig(**config))
        else:
            from transformers.models.rt_detr_v2.modeling_rt_detr_v2 import RTDetrV2Config, RTDetrV2HybridEncoder

            self.encoder = RTDetrV2HybridEncoder(RTDetrV2Config(**config))
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH)) for c in CHANNELS.values()
        )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        projected = [project(x) for project, x in zip(self.project, xs, strict=True)]
        outputs: list[Tensor] = self.encoder(projected).last_hidden_state
        return outputs


def carry(theirs: Any, ours: Any) -> None:
    encoder, nodes = theirs.encoder, by_name(ours)
    for level, project in zip((3, 4), theirs.project, strict=False):
        copy(lateral(ours, level), project)
    attended = next(node for node in nodes.values() if hasattr(node.block, "layers"))
    copy(attended.block.enter, theirs.project[2])
    _carry_layer(attended.block.layers[0], encoder.aifi[0].layers[0])
    # Nodes in their order: of a level, the 1x1 step comes before what it feeds.
    steps = [n for n in ours.nodes if n is not attended and len(n.edges) == 1]
    fused = [n for n in ours.nodes if len(n.edges) == 2]
    down = [n for n in fused if any(e.resample is not None and list(e.resample.parameters()) for e in n.edges)]
    top = [n for n in fused if n not in down]
    for mine, given in zip(steps, encoder.lateral_convs, strict=True):
        copy(mine.block, given)
    for mine, given in zip(top, encoder.fpn_blocks, strict=True):
        _carry_block(mine, given, first_is_new=mine.edges[0].resample is not None)
    for mine, given, step in zip(
        sorted(down, key=lambda n: n.level), encoder.pan_blocks, encoder.downsample_convs, strict=True
    ):
        (edge,) = [e for e in mine.edges if e.resample is not None]
        copy(edge.resample, step)
        _carry_block(mine, given, first_is_new=mine.edges[0] is edge)


def _carry_layer(mine: Any, given: Any) -> None:
    attention = given.self_attn
    expand, reduce = (module for module in given.mlp.modules() if isinstance(module, nn.Linear))
    for ours, theirs in (
        (mine.query, attention.q_proj),
        (mine.key, attention.k_proj),
        (mine.value, attention.v_proj),
        (mine.out, attention.o_proj),
        (mine.norm, given.self_attn_layer_norm),
        (mine.expand, expand),
        (mine.reduce, reduce),
        (mine.last_norm, given.final_layer_norm),
    ):
        copy(ours, theirs)


def _carry_block(mine: Any, given: Any, *, first_is_new: bool) -> None:
    """Copy a fusion's block. Where the canonical form sorted the inputs otherwise, so are the first weights."""
    if hasattr(given, "csp_rep1"):
        entries, (first, *stages) = [mine.block.body.enter], [mine.block.body.enter, *mine.block.body.stages]
        copy(first, given.conv1)
        for stage, rep, conv in zip(stages, (given.csp_rep1, given.csp_rep2), (given.conv2, given.conv3), strict=True):
            _carry_rep(stage[0], rep)
            copy(stage[1], conv)
        copy(nn.Sequential(mine.block.join, mine.block.norm), given.conv4)
    else:
        _carry_rep(mine.block.body, given)
        entries = [mine.block.body.through, mine.block.body.past]
    if not first_is_new:
        for entry in entries:
            weight = entry.conv.weight
            weight.data = torch.cat([weight.data[:, WIDTH:], weight.data[:, :WIDTH]], 1)


def _carry_rep(mine: Any, given: Any) -> None:
    copy(mine.through, given.conv1)
    copy(mine.past, given.conv2)
    units = [unit for unit in mine.units if hasattr(unit, "dense")]
    for unit, bottleneck in zip(units, given.bottlenecks, strict=True):
        copy(unit.dense, bottleneck.conv1)
        copy(unit.point, bottleneck.conv2)
    if mine.join is not None:
        copy(mine.join, given.conv3)


@pytest.mark.parametrize(
    ("topology", "name", "expand", "depth"),
    [
        ("rtdetr", "rtdetr", 1.0, 3),
        ("rtdetr", "rtdetr", 0.5, 3),
        ("rtdetr", "rtdetr_v2", 1.0, 3),
        ("dfine", "dfine", 1.0, 3),
        ("dfine", "dfine", 1.0, 2),
        ("dfine", "dfine", 0.5, 1),
    ],
)
def test_hybrid_encoders(topology: str, name: str, expand: float, depth: int) -> None:
    theirs = scrambled(Published(name, expand, depth))
    neck = TOPOLOGIES[topology](tuple(CHANNELS), WIDTH, depth=depth, expand=expand)
    ours = scrambled(nas.build_neck(neck, list(CHANNELS.values())))
    carry(theirs, ours)
    assert count(ours) == count(theirs)
    x = maps(CHANNELS)
    with torch.no_grad():
        expected = theirs(list(x.values()))
        for form in (ours, deployed(ours)):
            for mine, given in zip(form(x).values(), expected, strict=True):
                torch.testing.assert_close(mine, given, rtol=1e-5, atol=1e-5 * float(given.abs().max()))
    assert count(deployed(ours)) < count(ours)
