from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.necks.drawing import svg
from nas.necks.presets import preset
from tests.cli.conftest import Nas

ARCHITECTURE = preset("bifpn", width=16, repeats=1)


def test_a_preset_with_options(nas: Nas) -> None:
    done = nas("draw", "bifpn", "--set", "width=16", "--set", "repeats=1")
    assert (done.status, done.out) == (0, svg(ARCHITECTURE.neck))


@pytest.mark.parametrize(
    "data",
    [ARCHITECTURE.to_dict(), ARCHITECTURE.neck.to_dict(), {"export": 1, "architecture": ARCHITECTURE.to_dict()}],
    ids=["architecture", "neck", "export"],
)
def test_a_file(data: object, nas: Nas) -> None:
    Path("config.yaml").write_text(json.dumps(data))
    assert nas("draw", "config.yaml", "-o", "it.svg").out == ""
    assert Path("it.svg").read_text() == svg(ARCHITECTURE.neck) == nas("draw", ".").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "nope is not a file, an export or a preset; presets are fpn"),
        (["fpn", "--set", "width"], "--set width: should be OPTION=VALUE"),
        (["fpn", "--set", "width=wide"], "--set width: should be a whole number, not 'wide'"),
        (["fpn", "--set", "colour=red"], "fpn: has no option 'colour'"),
        (["bad.yaml"], "bad.yaml: "),
        (["bad.yaml", "--set", "width=8"], "--set changes a preset, and bad.yaml is a file"),
        (["nope:3"], "sqlite:///nas.db: there is no such database"),
        (["fpn", "-o", "none/it.svg"], "none/it.svg cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(words: list[str], message: str, nas: Nas) -> None:
    Path("bad.yaml").write_text("inputs: [3, 4]")
    done = nas("draw", *words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"nas: {message}")
