from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.models.cost import cost
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.canonical import canonical, digest
from nas.necks.diff import diff
from nas.necks.presets import preset
from nas.necks.topologies import fpn
from tests.cli.conftest import Nas
from tests.fabricated import architecture

SIZE = ("--image-size", "64")


def test_what_panet_adds_reads_as_a_page(nas: Nas) -> None:
    done = nas("diff", "fpn", "panet", *SIZE)
    assert done.status == 0
    assert done.out.startswith(
        "              fpn  panet\n"
        "downsampling  -    conv\n"
        "nodes         5    9\n"
        "\n"
        "alike: inputs C3 to C5, levels P3 to P5, width 32, fusion add, upsampling nearest\n"
        "\n"
        "only in panet:\n"
        "  M4.3 32 <- down(P3, conv) -> ReLU\n"
    )
    assert "in both, but changed:\n  P5 (M5.2), P4 (M4.2): an output -> a map in between\n" in done.out
    assert "3 of the 5 nodes that both have are unchanged\n" in done.out
    numbers = {line.split()[0]: line.split()[-2:] for line in done.out.splitlines() if line.endswith("%")}
    assert set(numbers) >= {"params", "macs", "neck_params", "neck_macs"}
    assert done.out.endswith("costs on plain, image 64 x 64 px\n")


def test_long_lines_are_wrapped(nas: Nas) -> None:
    lines = nas("diff", "bifpn", "fpn", *SIZE).out.splitlines()
    assert "no node is in both" in lines
    assert max(map(len, lines)) <= 100


def test_the_same_neck_is_one_sentence(nas: Nas) -> None:
    neck = preset("panet").neck
    Path("a.json").write_text(json.dumps(neck.to_dict()))
    Path("b.json").write_text(json.dumps(canonical(neck).to_dict()))
    assert nas("diff", "a.json", "b.json", *SIZE).out == f"a.json and b.json are the same neck ({digest(neck)}).\n"


def test_the_same_neck_elsewhere_costs_something_else(nas: Nas) -> None:
    neck = fpn((3, 4), 8)
    for name, widths in (("a", (4, 4, 8, 8)), ("b", (4, 4, 8, 16))):
        given = Architecture(backbone=BackboneSpec(levels=(3, 4), widths=widths), neck=neck, image_size=64)
        Path(f"{name}.json").write_text(json.dumps(given.to_dict()))
    out = nas("diff", "a.json", "b.json").out
    assert out.startswith("a.json and b.json are the same neck (n1-")
    assert "\nneck_params" in out


def test_a_preset_stands_where_the_other_stands(nas: Nas) -> None:
    """So that the numbers compare the necks, and not two backbones."""
    backbone = BackboneSpec(levels=(2, 3, 4, 5), widths=(4, 8, 16, 24, 32))
    given = Architecture(backbone=backbone, neck=fpn((2, 3, 4, 5), 16), head=HeadSpec(classes=("a",)), image_size=96)
    Path("own.json").write_text(json.dumps(given.to_dict()))
    found = nas("diff", "panet", "own.json", "--set", "width=16", "--json").json
    other = Architecture(
        backbone=backbone.model_copy(update={"levels": (3, 4, 5)}),
        neck=preset("panet", width=16).neck,
        head=given.head,
        image_size=96,
    )
    assert found["a"]["metrics"] == cost(other).metrics
    assert found["b"]["metrics"] == cost(given).metrics


def test_json_is_the_difference_and_both_numbers(nas: Nas) -> None:
    found = nas("diff", "fpn", "panet", *SIZE, "--json").json
    expected = diff(preset("fpn").neck, preset("panet").neck)
    assert expected.model_dump(mode="json").items() <= found.items()
    assert [found[side]["config"] for side in "ab"] == ["fpn", "panet"]
    assert found["b"]["neck"] == digest(preset("panet").neck)


def test_two_trials_have_their_metrics_beside(nas: Nas, storage: str) -> None:
    done = nas("diff", "cells:0", "cells:3", "--storage", storage, *SIZE)
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line}
    assert rows["ap"] == ["0.361", "0.372", "+3.0", "%"]
    assert rows["latency_ms"][:2] == ["12.50", "14.00"]
    assert "width 8 -> 32" in done.out
    static = cost(architecture(8).model_copy(update={"image_size": 64})).metrics
    found = nas("diff", "cells:0", "cells:3", "--storage", storage, *SIZE, "--json").json
    assert static.items() <= found["a"]["metrics"].items()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fpn"], "the following arguments are required: B"),
        (["fpn", "nope"], "nope is not a file, an export or a preset"),
        (["a.json", "a.json", "--set", "width=8"], "--set changes a preset, and neither a.json nor a.json is one"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(words: list[str], message: str, refused: Callable[..., str]) -> None:
    Path("a.json").write_text(json.dumps(preset("fpn").neck.to_dict()))
    assert refused("diff", *words).startswith(message)
