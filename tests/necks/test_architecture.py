"""What a neck may be: every fault in one sentence that names its place."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from nas.errors import SpecError
from nas.necks.architecture import Architecture, Frame, HeadSpec
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies import TOPOLOGIES, fpn
from nas.yaml12 import dump_yaml, load_yaml

NODE = {"level": 3, "width": 8, "inputs": [0]}


def neck(**changes: Any) -> dict[str, Any]:
    return {"inputs": [3, 4], "nodes": [NODE], "outputs": [2]} | changes


def test_a_bare_index_is_an_edge_with_the_defaults() -> None:
    spec = NeckSpec.parse(neck(nodes=[NODE | {"inputs": [0, {"source": 1}, {"source": 1, "up": "bilinear"}]}]))
    assert spec.nodes[0].inputs == (EdgeSpec(source=0), EdgeSpec(source=1), EdgeSpec(source=1, up="bilinear"))
    assert spec.to_dict()["nodes"][0]["inputs"] == [0, 1, {"source": 1, "up": "bilinear"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": [4, 3]}, "inputs: levels must rise, each once"),
        ({"inputs": [3, 9]}, "inputs: level 9 is outside 0..7"),
        ({"outputs": [3]}, "outputs: there is no map 3; maps are 0..2"),
        ({"outputs": [0, 2]}, "outputs: one map a level, fine to coarse"),
        ({"outputs": []}, "outputs"),
        ({"schema": 2}, "schema"),
        (
            {"nodes": [NODE | {"inputs": [2]}]},
            "nodes[0].inputs[0]: takes map 2, which comes later; maps before it are 0..1",
        ),
        ({"nodes": [NODE | {"inputs": []}]}, "nodes[0].inputs"),
        ({"nodes": [NODE | {"fuse": "ad"}]}, "nodes[0].fuse: unknown 'ad'; one of add"),
        ({"nodes": [NODE | {"inputs": [{"source": 1, "up": "up"}]}]}, "nodes[0].inputs[0].up: unknown 'up'"),
        ({"nodes": [NODE | {"inputs": [{"source": 1, "down": "up"}]}]}, "nodes[0].inputs[0].down: unknown 'up'"),
        ({"nodes": [NODE | {"block": {"kind": "x"}}]}, "nodes[0].block.kind: unknown 'x'"),
        ({"nodes": [NODE | {"block": {"kernel": 2}}]}, "nodes[0].block.kernel: must be odd, not 2"),
        ({"nodes": [NODE | {"inputs": [0, 1], "fuse": "concat"}]}, "nodes[0]: concat needs a block"),
        ({"nodes": [NODE | {"widht": 8}]}, "nodes[0].widht: unknown key; did you mean width?"),
        ({"merge": {"kind": "concat", "level": 3, "width": 8}}, "merge: concat needs a block"),
        ({"merge": {"kind": "max", "level": 3, "width": 8}}, "merge.kind: unknown 'max'"),
    ],
)
def test_faults_name_their_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        NeckSpec.parse(neck(**changes))
    assert str(caught.value).startswith(message)


CHANNELS = {3: 8, 4: 16}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": [3, 5]}, "the backbone has no level P5"),
        ({"nodes": [NODE | {"inputs": [0, 1]}]}, r"nodes\[0\]: add of unequal widths \[8, 16\]: project its inputs"),
        ({"nodes": [NODE | {"inputs": [1]}]}, r"nodes\[0\]: 16 channels in, width 8: needs a projection or block"),
        (
            {"nodes": [NODE | {"inputs": [{"source": 1, "project": {"kind": "identity", "norm": "batch"}}]}]},
            r"nodes\[0\]: 16 channels in, width 8",
        ),
        ({"merge": {"kind": "sum", "level": 3, "width": 16}}, r"merge: sum of widths \[8\] into 16"),
    ],
)
def test_widths_are_checked_against_the_backbone(changes: dict[str, Any], message: str) -> None:
    spec = NeckSpec.parse(neck(**changes))
    with pytest.raises(SpecError, match=message):
        spec.check(CHANNELS)


def test_projections_blocks_and_learned_resampling_change_widths() -> None:
    for inputs in (
        [0, {"source": 1, "project": {"kernel": 1}}],
        [0, {"source": 1, "up": "deconv"}],
        [0, {"source": 1, "up": "pixel_shuffle"}],
    ):
        NeckSpec.parse(neck(nodes=[NODE | {"inputs": inputs}])).check(CHANNELS)
    NeckSpec.parse(neck(nodes=[NODE | {"inputs": [0, 1], "fuse": "concat", "block": {"kernel": 1}}])).check(CHANNELS)


def test_values_are_frozen_and_compared_by_content() -> None:
    assert fpn((3, 4)) == fpn([3, 4])
    assert len({fpn((3, 4)), fpn((3, 4)), fpn((3, 4, 5))}) == 2
    with pytest.raises(ValidationError, match="frozen"):
        fpn((3, 4)).outputs = ()  # type: ignore[misc]
    with pytest.raises(ValidationError, match="kernel"):
        ConvSpec(kernel=float("nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_architectures_survive_json_and_yaml(name: str) -> None:
    whole = Architecture(neck=TOPOLOGIES[name]((3, 4, 5)), head=HeadSpec(classes=("cell", "no")), image_size=96)
    for again in (
        Architecture.model_validate_json(whole.model_dump_json()),
        Architecture.parse(whole.model_dump()),
        Architecture.parse(load_yaml(dump_yaml(whole.to_dict()), "a.yaml")),
    ):
        assert again == whole
        assert again.digest == whole.digest


def test_an_architecture_must_hang_together() -> None:
    with pytest.raises(ValidationError, match="the neck takes P2, P6, which the backbone does not return"):
        Architecture(neck=fpn((2, 3, 6)))
    with pytest.raises(ValidationError, match="a head needs image_size"):
        Architecture(neck=fpn((3, 4)), head=HeadSpec(classes=("cell",)))
    with pytest.raises(ValidationError, match="class names must differ"):
        HeadSpec(classes=("cell", "cell"))


def test_a_frame_knows_its_levels_and_map_sizes() -> None:
    frame = Frame(channels={4: 16, 3: 8}, image_size=100)
    assert frame.levels == (3, 4)
    assert [frame.map_size(level) for level in (0, 3, 4)] == [100, 13, 7]
