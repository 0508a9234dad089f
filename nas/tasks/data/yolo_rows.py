"""YoloRows: what a row of a YOLO label file says. Its number of values tells its form, together with `kpt_shape`.

| values | form |
| --- | --- |
| 5 | class x y width height: a box |
| 5 + K * D, with `kpt_shape: [K, D]` | a box with K keypoints of D values, which are not used |
| odd, 7 or more, without `kpt_shape` | class and corners: a polygon, or an oriented box; the box around it is used |

Files may mix the first with one of the others. Everything else is a fault; so is a number of values that fits boxes
with keypoints as well as polygons, unless data.yaml decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nas.errors import UserError
from nas.tasks.data.faults import Faults

Corners = tuple[float, float, float, float]

_SLACK = 1e-3
"""How far a rounded number may lie outside of 0 to 1."""

_POSE_SHARE = 0.95
"""Of polygons about half look like a box with keypoints, whose first four values are a box inside the image."""


class YoloRows:
    """Reads rows, and remembers what speaks for polygons.

    Attributes:
        names: the classes by number.
        keypoints: `kpt_shape` of data.yaml; (0, 0): it says that there are none; None: it says nothing.
    """

    def __init__(self, names: Mapping[int, str], keypoints: tuple[int, int] | None) -> None:
        self.names = names
        self.keypoints = keypoints
        self._boxes = 0
        self._lengths: Counter[int] = Counter()
        self._alike = 0

    def read(self, line: str) -> tuple[str, Corners] | str:
        """Class and corners as parts of the image, or the kind of the fault."""
        try:
            first, *values = map(float, line.split())
        except ValueError:
            return "label that is not of numbers"
        if fault := self._fault_of_form(len(values)):
            return fault
        box = len(values) == 4 or self._pose(len(values))
        if not all(-_SLACK <= value <= 1 + _SLACK for value in (values[:4] if box else values)):
            return "label outside of 0 to 1"
        if first not in self.names:
            return "unknown class"
        name = self.names[int(first)]
        if box:
            self._boxes += 1
            return name, _box(values)
        self._lengths[len(values)] += 1
        self._alike += _inside(_box(values))
        return name, (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))

    def conclude(self, root: str, faults: Faults) -> None:
        """Note the polygons.

        Raises:
            UserError: they may as well be boxes with keypoints.
        """
        polygons = self._lengths.total()
        if not polygons:
            return
        if self.keypoints is None and len(self._lengths) == 1 and self._alike >= _POSE_SHARE * polygons:
            (length,) = self._lengths
            raise UserError(
                f"{root}: {polygons} rows of {length + 1} values may be boxes with keypoints or polygons: say which in "
                f"data.yaml, by kpt_shape: [{(length - 4) // 2}, 2] or, for polygons, kpt_shape: null"
            )
        beside = f" ({self._boxes} others are boxes)" if self._boxes else ""
        faults.note(f"{polygons} rows are polygons or oriented boxes{beside}: the box around each is used")

    def _pose(self, count: int) -> bool:
        keypoints, values = self.keypoints or (0, 0)
        return keypoints > 0 and count == 4 + keypoints * values

    def _fault_of_form(self, count: int) -> str:
        if count == 4 or self._pose(count):
            return ""
        if self.keypoints is not None and self.keypoints != (0, 0):
            return f"label that is neither a box nor one with the keypoints of kpt_shape {list(self.keypoints)}"
        if count == 5:
            return "label of six values, where predictions have a confidence: leave it out"
        return "" if count >= 6 and count % 2 == 0 else "label without class x y width height"


def _box(values: Sequence[float]) -> Corners:
    x, y, w, h = values[:4]
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _inside(corners: Corners) -> bool:
    x0, y0, x1, y1 = corners
    slack = 10 * _SLACK
    return -slack <= x0 < x1 <= 1 + slack and -slack <= y0 < y1 <= 1 + slack
