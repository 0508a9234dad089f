"""The size that an annotation states for its image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.tasks.data.faults import Faults
from nas.tasks.data.orientation import Stated
from nas.tasks.data.picture import UnusableImage, open_head


def stated_in(width: Any, height: Any, place: str, faults: Faults) -> Stated | None:
    """Width and height as an annotation writes them; None where they are left out, empty or 0, as labelImg writes."""
    if width in (None, "") and height in (None, ""):
        return None
    try:
        sides = float(width), float(height)
        stated = Stated(int(sides[0]), int(sides[1]))
        if sides != stated[:2] or min(sides) < 0:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        faults.add("unreadable size", f"{place}: {width} x {height}")
        return None
    return stated if min(sides) > 0 else None


def stated_by_mask(path: Path) -> Stated | None:
    """The size of a class map; None where its file is missing or cannot be read, which is found when it is painted."""
    try:
        with open_head(path) as image:
            return Stated(*image.size, by="mask")
    except (FileNotFoundError, UnusableImage):
        return None
