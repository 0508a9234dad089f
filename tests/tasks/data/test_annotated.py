"""Sizes that annotations state."""

from __future__ import annotations

import pytest

from nas.tasks.data import Faults
from nas.tasks.data.annotated import read_stated
from nas.tasks.data.picture import Stated


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
    assert read_stated(width, height, "a.xml", faults) == (None if stated is None else Stated(*stated))
    assert faults.total == 0


@pytest.mark.parametrize("width", [-64, "wide", "nan", 1e999, 64.5, [64], {}, None, "", "0x40"])
def test_what_is_no_size_is_a_fault(width: object) -> None:
    faults = Faults()
    assert read_stated(width, 48, "a.xml", faults) is None
    assert faults.summary() == f"1 x unreadable size: a.xml: {width} x 48"
