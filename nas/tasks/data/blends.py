"""Class maps that were saved as JPEG or resized with blending: along the edges they have values between the classes.

In sound class maps nearly every pixel belongs to an area, a square of 2 x 2 pixels of its value. Values between classes
have no area; where they are also values of classes, most of the pixels at an edge have none. Measured on nuclei and on
random areas, painted as 1 to 150 classes, over folders and over single masks:

| | values without an area | pixels at edges without an area |
| --- | --- | --- |
| sound, 64 pixels wide or more | 1 of 150 | 0 to .23 |
| sound, 48 pixels wide | 5 of 149 | 0 to .38 |
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
"""Of the pixels at edges, the largest share without an area in a sound mask."""

_EXAMPLES = 3


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

    def doubt(self) -> str | None:
        """Why the masks are probably wrong; None if they are sound."""
        unnamed = frozenset().union(*self._values.values()) - self.named
        thin = {k for k in unnamed if self._areal[k] < self._pixels[k] / 2}
        if len(thin) >= _FEWEST and len(thin) > len(unnamed) / 2:
            places = sorted(place for place, values in self._values.items() if values & thin)
        elif unnamed and self._bare:
            places = sorted(self._bare)
        else:
            return None
        more = f" and {len(places) - _EXAMPLES} more" if len(places) > _EXAMPLES else ""
        return (
            f"values between the classes along edges in {', '.join(places[:_EXAMPLES])}{more}, which look like JPEG "
            "artefacts or a resize that blends: save masks as PNG straight from their class indices (resize them by "
            "nearest neighbour), or list the classes if every value is meant"
        )


def _areas(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a pixel lies in a square of 2 x 2 pixels of its value."""
    corner = values[:-1, :-1]
    square = np.pad((corner == values[1:, :-1]) & (corner == values[:-1, 1:]) & (corner == values[1:, 1:]), 1)
    area: NDArray[np.bool_] = square[:-1, :-1] | square[:-1, 1:] | square[1:, :-1] | square[1:, 1:]
    return area


def _edges(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where one of the four neighbours has another value."""
    below = np.pad(values[:-1] != values[1:], ((1, 1), (0, 0)))
    beside = np.pad(values[:, :-1] != values[:, 1:], ((0, 0), (1, 1)))
    edges: NDArray[np.bool_] = below[:-1] | below[1:] | beside[:, :-1] | beside[:, 1:]
    return edges
