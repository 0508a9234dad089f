from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given

from nas.necks.canonical import canonical
from nas.necks.describe import map_names
from nas.necks.drawing import DASHES, svg
from nas.necks.operators import DOWNSAMPLINGS, UPSAMPLINGS
from nas.necks.spec import NeckSpec
from nas.necks.topologies import bifpn, fpn, seed_fpn
from tests.strategies import necks

SVG = "{http://www.w3.org/2000/svg}"


def of_class(text: str, name: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(text).iter() if name in e.get("class", "").split()]


def texts(element: ElementTree.Element) -> list[str]:
    return [t.text or "" for t in element.iter(f"{SVG}text")]


def test_an_fpn() -> None:
    text = svg(fpn((3, 4, 5), width=64))
    assert [texts(row) for row in of_class(text, "row")] == [
        ["level 5", "stride 32"],
        ["level 4", "stride 16"],
        ["level 3", "stride 8"],
    ]
    assert [texts(m) for m in of_class(text, "map")] == [
        ["C3", "backbone"],
        ["C4", "backbone"],
        ["C5", "backbone"],
        ["M5", "64"],
        ["P5", "3×3 · 64"],
        ["M4", "+", "64"],
        ["P4", "3×3 · 64"],
        ["P3", "+", "3×3 · 64"],
    ]
    assert len(of_class(text, "up")) == 2
    assert of_class(text, "down") == []
    assert len(of_class(text, "projection")) == 3
    assert [texts(e) for e in of_class(text, "legend")] == [
        ["same level"],
        ["up: nearest"],
        ["projected first"],
        ["output"],
    ]


def test_a_merged_map_and_a_backbone_map_as_output() -> None:
    text = svg(seed_fpn((1, 2, 3)))
    maps = [texts(m) for m in of_class(text, "map")]
    assert maps[-1] == ["out", "concat", "3×3 · 16"]
    assert ["C3 = P3", "backbone"] in maps


@pytest.mark.parametrize("repeats", [1, 3])
def test_maps_stand_apart(repeats: int) -> None:
    boxes = [e.find(f"{SVG}rect") for e in of_class(svg(bifpn((3, 4, 5), extra=2, repeats=repeats)), "map")]
    corners = [tuple(float(b.get(k, "")) for k in ("x", "y", "width", "height")) for b in boxes if b is not None]
    for k, (x, y, width, height) in enumerate(corners):
        for x2, y2, _, _ in corners[k + 1 :]:
            assert abs(x - x2) > width + 30 or abs(y - y2) > height + 10


@given(necks(12))
def test_every_map_and_edge_is_drawn_once_whatever_the_encoding(neck: NeckSpec) -> None:
    text = svg(neck)
    whole = canonical(neck)
    merged = len(neck.outputs) if neck.merge is not None else 0
    assert len(of_class(text, "map")) == len(map_names(whole)) + bool(merged)
    assert len(of_class(text, "edge")) == sum(len(node.inputs) for node in whole.nodes) + merged
    assert svg(whole) == text


def test_every_resampling_has_dashes_of_its_own() -> None:
    assert len(set(DASHES["up"])) >= len(UPSAMPLINGS)
    assert len(set(DASHES["down"])) >= len(DOWNSAMPLINGS)
