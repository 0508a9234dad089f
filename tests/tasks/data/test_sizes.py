"""Stated sizes, told apart from those that state nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nas.tasks.data import Faults
from nas.tasks.data.orientation import Stated
from nas.tasks.data.sizes import stated_by_mask, stated_in


@pytest.mark.parametrize(
    ("width", "height", "stated"),
    [
        (64, 48, (64, 48)),
        ("64", " 48\n", (64, 48)),
        (64.0, "48.0", (64, 48)),
        (0, 0, None),
        ("0", "0", None),
        (64, 0, None),
        (None, None, None),
        ("", "", None),
    ],
)
def test_a_size_or_none(width: object, height: object, stated: tuple[int, int] | None) -> None:
    faults = Faults()
    assert stated_in(width, height, "a.xml", faults) == (None if stated is None else Stated(*stated))
    assert faults.total == 0


@pytest.mark.parametrize("width", [-64, "wide", "nan", 1e999, 64.5, [64], {}, None, "", "0x40"])
def test_what_is_no_size_is_a_fault(width: object) -> None:
    faults = Faults()
    assert stated_in(width, 48, "a.xml", faults) is None
    assert faults.summary() == f"1 x unreadable size: a.xml: {width} x 48"


def test_a_mask_states_its_own(tmp_path: Path) -> None:
    Image.new("P", (40, 20)).save(tmp_path / "a.png")
    assert stated_by_mask(tmp_path / "a.png") == Stated(40, 20, "mask")
    (tmp_path / "b.png").write_bytes(b"")
    assert stated_by_mask(tmp_path / "b.png") is None
    assert stated_by_mask(tmp_path / "c.png") is None
