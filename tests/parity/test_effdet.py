"""BiFPN and QuFPN against effdet's: three repeats, every fusion it has, weights copied node by node.

Its BatchNorm's epsilon (1e-3) is a setting of its models; torch's own is compared here. The padding is symmetric, as in
its models that were trained in torch.
"""

from __future__ import annotations

from typing import Any

import pytest

import nas
from nas.models import Neck
from nas.necks.topologies import TOPOLOGIES
from tests.parity.weights import assert_same, copy, count, maps, scrambled, signature, signatures

effdet = pytest.importorskip("effdet")

CHANNELS = {3: 8, 4: 12, 5: 24}
LEVELS = (3, 4, 5, 6, 7)
REPEATS = 3


def published(name: str) -> Any:
    from effdet.efficientdet import BiFpn

    config = effdet.get_efficientdet_config("efficientdet_d0")
    config.update({"fpn_name": name, "fpn_channels": 16, "fpn_cell_repeats": REPEATS, "image_size": (256, 256)})
    config.update({"norm_kwargs": {}, "pad_type": "", "redundant_bias": False})
    return scrambled(BiFpn(config, [{"num_chs": c, "reduction": 2**level} for level, c in CHANNELS.items()]))


def carry(theirs: Any, ours: Neck, name: str) -> None:
    """Find the node of ours that takes the same maps as one of theirs; copy its edges, weights and convolution."""
    from effdet.config.fpn_config import get_fpn_config

    names = signatures(ours)
    index = {s: i for i, s in enumerate(names)}
    n = len(ours.spec.inputs)
    known = [f"C{level}" for level in CHANNELS]
    for level in (6, 7):
        known.append(signature(level, [known[-1]]))
    copy(ours.nodes[index[known[3]] - n].edges[0].project, theirs.resample["3"].conv)
    for cell in theirs.cell:
        for spec, node in zip(get_fpn_config(name).nodes, cell.fnode, strict=True):
            sources = [known[i] for i in spec.inputs_offsets]
            known.append(signature(LEVELS[spec.feat_level - 3], sources))
            mine = ours.nodes[index[known[-1]] - n]
            order = [sources.index(names[edge.source]) for edge in mine.edges]
            if node.combine.edge_weights is not None:
                mine.fuse.weight.data = node.combine.edge_weights.data[order]
            resamples = list(node.combine.resample.values())
            for edge, k in zip(mine.edges, order, strict=True):
                if edge.project is not None:
                    copy(edge.project, resamples[k].conv)
            copy(mine.block, node.after_combine.conv)
        known = known[-len(LEVELS) :]


@pytest.mark.parametrize(
    ("topology", "name", "fuse"),
    [
        ("bifpn", "bifpn_fa", "fast_attention"),
        ("bifpn", "bifpn_attn", "softmax_attention"),
        ("bifpn", "bifpn_sum", "add"),
        ("qufpn", "qufpn_fa", "fast_attention"),
    ],
)
def test_three_repeats(topology: str, name: str, fuse: str) -> None:
    theirs = published(name)
    neck = TOPOLOGIES[topology](tuple(CHANNELS), 16, extra=2, repeats=REPEATS, fuse=fuse)
    ours = scrambled(nas.build_neck(neck, list(CHANNELS.values())))
    carry(theirs, ours, name)
    x = maps(CHANNELS)
    mine = ours(x)
    assert list(mine) == ["p3", "p4", "p5", "p6", "p7"]
    assert count(ours) == count(theirs)
    assert_same(list(mine.values()), theirs(list(x.values())))
