"""What the reading of a part keeps in memory."""

from __future__ import annotations

import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.studies.spec import DataSpec
from nas.tasks.data import decoding
from nas.tasks.data.annotated import Annotated, Parts
from nas.tasks.data.decoding import read_part
from nas.tasks.data.faults import Faults
from nas.tasks.data.painted import Painted, build
from tests.tasks.data.builders import BOXES, images

Kept = list[weakref.ref[Any]]


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> tuple[Kept, list[int]]:
    """Arrays to watch, and how many of them are alive once all images of a part are read."""
    watched: Kept = []
    found: list[int] = []
    facts = decoding._facts

    def counted(*args: Any) -> Any:
        found.append(sum(own() is not None for own in watched))
        return facts(*args)

    monkeypatch.setattr(decoding, "_facts", counted)
    return watched, found


def items(root: Path) -> list[Annotated]:
    images(root)
    return [Annotated(root / f"{name}.png", name, []) for name in BOXES]


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("tile", [None, 32])
def test_no_pixels_are_kept_beside_the_held_ones(
    tmp_path: Path, alive: tuple[Kept, list[int]], hold: bool, tile: int | None
) -> None:
    watched, found = alive

    def label(item: Annotated, decoded: Any) -> tuple[None, tuple[()]]:
        watched.append(weakref.ref(decoded.pixels if decoded.pixels.base is None else decoded.pixels.base))
        return None, ()

    spec = DataSpec(kind="coco", tile=tile)
    divide: Any = lambda labels, decoded, windows: (None, [None] * len(windows))  # noqa: E731
    read = read_part(spec, "train", items(tmp_path), 32, hold, label, divide, Counter(), Faults())
    assert (read.split.images is not None) == hold
    assert len(watched) == 4
    assert found[0] <= 1  # that of the last image


def test_class_maps_of_cut_images_are_not_kept(tmp_path: Path, alive: tuple[Kept, list[int]]) -> None:
    watched, found = alive

    def paint(item: Annotated, height: int, width: int) -> Painted:
        indices = np.ones((height, width), np.uint8)
        watched.append(weakref.ref(indices))
        return Painted(indices, None)

    own = items(tmp_path)
    build(DataSpec(kind="masks", tile=32), Parts(own[:3], own[3:], ""), None, 32, 0, paint, Faults())
    assert found[0] <= 1
