"""Class maps that went through JPEG or a resize that blends: along the edges they have values between the classes.

In honest class maps nearly every pixel lies in a square of 2 x 2 pixels of its value, an area. Values between classes
lie in none; where they hide among classes of the same values, most of the pixels at an edge lie in none. Measured on
nuclei and on random areas, painted as 1 to 150 classes, over folders and over single masks:

| | values without an area | pixels at edges without an area |
| --- | --- | --- |
| honest, 64 pixels wide or more | 1 of 150 | 0 to .23 |
| honest, 48 pixels wide | 5 of 149 | 0 to .38 |
| JPEG of quality 50 to 95, classes 5 values apart or more | 7 or more, 64 to 100 % | .43 to .83 |
| JPEG of quality 50 to 95, classes 1 to 20 or 150 | | .51 to .80 |
| halved or quartered with blending, 0 and 255 | 254 of 254 | .01 to .61 |

Classes 0 to 3 of one mask cannot be found so: JPEG leaves them few values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from nas.necks.architecture import VOID

_FEWEST = 6
"""Fewer values may be thin classes: cracks, wires, outlines."""

_MOST_BARE = 0.4
"""Of the pixels at edges, those without an area."""

_SHOWN = 3


@dataclass
class Blends:
    """Counts the pixels of each value over a folder, all and those in an area. `add` may be called from threads.

    Attributes:
        named: values that stand for a class of a known name; where all are, there is no doubt.
    """

    named: frozenset[int]
    _pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    _areal: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    _values: dict[str, frozenset[int]] = field(default_factory=dict)
    _bare: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def add(self, place: str, values: NDArray[np.uint8]) -> None:
        """Count the mask at `place`, in stored pixels [H, W]."""
        areas = _areas(values)
        pixels = np.bincount(values.ravel(), minlength=256)
        areal = np.bincount(values[areas], minlength=256)
        own = frozenset(np.flatnonzero(pixels).tolist()) - {0, VOID}
        bare = len(own) >= _FEWEST and (~areas).sum() > _MOST_BARE * _edges(values).sum()
        with self._lock:
            self._pixels += pixels
            self._areal += areal
            self._values[place] = own
            if bare:
                self._bare.add(place)

    def fault(self) -> str | None:
        """Why these masks cannot be meant as they are, if so."""
        unnamed = frozenset().union(*self._values.values()) - self.named
        thin = {k for k in unnamed if self._areal[k] < self._pixels[k] / 2}
        if len(thin) >= _FEWEST and len(thin) > len(unnamed) / 2:
            places = sorted(place for place, values in self._values.items() if values & thin)
        elif unnamed and self._bare:
            places = sorted(self._bare)
        else:
            return None
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        return (
            f"values between the classes along edges in {', '.join(places[:_SHOWN])}{more}, which look like JPEG "
            "artefacts or a resize that blends: save masks as PNG straight from their class indices (resize them by "
            "nearest neighbour), or list the classes if every value is meant"
        )


def _areas(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a pixel lies in a square of 2 x 2 pixels of its value."""
    corner = values[:-1, :-1]
    square = (corner == values[1:, :-1]) & (corner == values[:-1, 1:]) & (corner == values[1:, 1:])
    area = np.zeros(values.shape, np.bool_)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            area[rows, columns] |= square
    return area


def _edges(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where one of the four neighbours has another value."""
    edges = np.zeros(values.shape, np.bool_)
    below, beside = values[:-1] != values[1:], values[:, :-1] != values[:, 1:]
    edges[:-1] |= below
    edges[1:] |= below
    edges[:, :-1] |= beside
    edges[:, 1:] |= beside
    return edges
