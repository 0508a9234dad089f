from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from nas.exports.code import source
from nas.models.neck import Neck
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec
from nas.necks.topologies import TOPOLOGIES, build_topology, fpn
from tests.exports.code.necks import WORDS, using
from tests.exports.code.written import assert_passes_ruff, assert_same, imported, written
from tests.strategies import CHANNELS, necks

INPUTS = {"seed_fpn": (1, 2, 3), "nas_fpn": (3, 4, 5, 6, 7)}


def channels_for(name: str, inputs: tuple[int, ...]) -> dict[int, int]:
    """Widths that differ where the topology lets them."""
    return dict.fromkeys(inputs, 16) if name == "seed_fpn" else {level: 4 * level for level in inputs}


def topology(name: str) -> tuple[NeckSpec, dict[int, int]]:
    inputs = INPUTS.get(name, (3, 4, 5))
    options = {} if name == "seed_fpn" else {"width": 16}
    return build_topology(name, inputs, options), channels_for(name, inputs)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_gives_the_same_outputs(name: str, tmp_path: Path) -> None:
    neck, channels = topology(name)
    assert_same(neck, channels, tmp_path)


@pytest.mark.parametrize("words", WORDS, ids=str)
def test_every_word_gives_the_same_outputs(words: dict[str, Any], tmp_path: Path) -> None:
    merge = MergeSpec(kind="concat", level=3, width=8, up=words.get("up", "nearest"), block=ConvSpec())
    assert_same(using(**words, merge=merge), CHANNELS, tmp_path)


@given(necks())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_necks_give_the_same_outputs(neck: NeckSpec) -> None:
    with TemporaryDirectory() as folder:
        assert_same(neck, CHANNELS, Path(folder))


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_what_is_written_passes_ruff(name: str, tmp_path: Path) -> None:
    assert_passes_ruff(source(*topology(name)), tmp_path)


@given(necks())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_necks_pass_ruff(neck: NeckSpec) -> None:
    with TemporaryDirectory() as folder:
        assert_passes_ruff(source(neck, CHANNELS), Path(folder))


def test_it_needs_torch_alone(tmp_path: Path) -> None:
    _, module = written(*topology("bifpn"), tmp_path)
    code = (
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('nas', 'timm', 'torchvision', 'safetensors'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, No())\n"
        "import model; print(type(model.load()).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Neck\n", "")
    assert set(module.NAMES.values()) == {name for name, part in module.Neck().named_children() if part.state_dict()}


def test_forward_reads_as_one_would_write_it(tmp_path: Path) -> None:
    text = source(fpn((3, 4), 8), {3: 4, 4: 6})
    body = text.split("Sequence[Tensor]) -> OrderedDict[str, Tensor]:\n")[1].split("\n\n")[0]
    assert body.splitlines() == [
        "        c3, c4 = maps.values() if isinstance(maps, Mapping) else maps",
        "        size3 = c3.shape[-2:]",
        "        # m4: (N, 8, H/16, W/16)",
        "        m4 = self.project_c4_m4(c4)",
        "        # p4: (N, 8, H/16, W/16)",
        "        p4 = self.block_p4(m4)",
        "        # p3: (N, 8, H/8, W/8)",
        "        p3 = self.block_p3(self.project_c3_p3(c3) + self.nearest(m4, size3))",
        "        return OrderedDict(p3=p3, p4=p4)",
    ]


def test_a_list_of_maps_is_taken_too(tmp_path: Path) -> None:
    neck, channels = topology("fpn")
    _, module = written(neck, channels, tmp_path)
    maps = [torch.randn(1, channels[level], 64 // 2**level, 64 // 2**level) for level in neck.inputs]
    assert list(module.load()(maps)) == ["p3", "p4", "p5"]


def test_a_repvgg_neck_has_both_forms(tmp_path: Path) -> None:
    neck, channels = topology("rtdetr")
    built, module = written(neck, channels, tmp_path)
    trained = module.load()
    fused = module.deployed(trained)
    assert "    neck = deployed(load())" in (module.__doc__ or "").splitlines()
    maps = [torch.randn(1, channels[level], 64 // 2**level, 64 // 2**level) for level in neck.inputs]
    with torch.no_grad():
        for found, expected in zip(fused(maps).values(), trained(maps).values(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert sum(p.numel() for p in fused.parameters()) < sum(p.numel() for p in built.parameters())


def test_fresh_weights_are_of_the_built_necks_kind(tmp_path: Path) -> None:
    """Not only the state: zeros where an attention starts at zero, He-uniform convolutions."""
    neck = using(fuse="attention")
    channels = {level: CHANNELS[level] for level in neck.inputs}
    (tmp_path / "model.py").write_text(source(neck, channels))
    fresh, built = imported(tmp_path / "model.py").Neck().state_dict(), Neck(neck, channels).state_dict()
    assert sorted(bool(x.any()) for x in fresh.values()) == sorted(bool(x.any()) for x in built.values())


def test_the_size_of_the_image_decides_levels_below_the_backbones(tmp_path: Path) -> None:
    merge = MergeSpec(kind="sum", level=1, width=8, up="bilinear")
    neck = NeckSpec(inputs=(2, 3), outputs=(0, 1), merge=merge)
    built, module = written(neck, {2: 8, 3: 8}, tmp_path)
    maps = {f"p{level}": torch.randn(1, 8, -(-75 // 2**level), -(-75 // 2**level)) for level in (2, 3)}
    for image in ((75, 75), None):
        assert torch.equal(module.load()(maps, image), built(maps, image))
    assert module.load()(maps, (75, 75)).shape[-1] == 38


def test_gaps_between_levels_and_levels_above(tmp_path: Path) -> None:
    edges = [EdgeSpec(source=1), EdgeSpec(source=0)]
    nodes = [NodeSpec(level=level, width=8, inputs=tuple(edges), block=ConvSpec()) for level in (4, 5, 7)]
    neck = NeckSpec(inputs=(2, 6), nodes=tuple(nodes), outputs=(2, 3, 4))
    assert_same(neck, CHANNELS, tmp_path, side=150)


def test_no_layer_at_all(tmp_path: Path) -> None:
    assert_same(NeckSpec(inputs=(3,), outputs=(0,)), CHANNELS, tmp_path)


def test_no_line_is_too_long_however_many_inputs() -> None:
    wide = tuple(EdgeSpec(source=i, project=ConvSpec(), up="bilinear_aligned") for i in range(5))
    neck = NeckSpec(inputs=(2, 3, 4, 5, 6), nodes=(NodeSpec(level=2, width=8, inputs=wide * 3),), outputs=(5,))
    assert max(map(len, source(neck, CHANNELS).splitlines())) <= 120
