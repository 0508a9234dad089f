"""YOLO: a text file an image, a row an object, in shares of the image's sides. Labels are of the upright picture.

`data.yaml` names the classes and the parts. Without it the layouts of `nas.tasks.data.layouts` apply, with classes.txt
or the study's classes in their order. An image without labels shows no object.

The number of values and `kpt_shape` decide the form of a row:

| values | form |
| --- | --- |
| 5 | class x y width height: a box, by its centre and size |
| 5 + K * D, with `kpt_shape: [K, D]` | a box with K keypoints of D values, which are not used |
| odd, 7 or more, without `kpt_shape` | class and corners: a polygon, or an oriented box; the box around it is used |

Files may mix the first with one of the others. Everything else is a fault; so is a number of values that fits boxes
with keypoints as well as polygons, unless data.yaml decides.
Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.errors import Fault, SpecError, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Box, Parts, check_root, seeded
from nas.tasks.data.classes import note_case
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import build
from nas.tasks.data.layouts import refusal
from nas.tasks.data.named_files import read_lines
from nas.tasks.data.unseen import find
from nas.tasks.data.yolo_folder import YoloFolder, read_folder

Corners = tuple[float, float, float, float]

_SLACK = 1e-3
"""How far a rounded number may lie outside of 0 to 1."""

_POSE_SHARE = 0.95
"""About half of all polygons look like a box with keypoints, whose first four values are a box inside the image."""


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its labels."""
    if faults := check_root(spec):
        return faults
    try:
        folder = read_folder(spec, Faults())
    except SpecError as error:
        return [Fault("root", str(error))]
    if folder.faults:
        return list(folder.faults)
    root = folder.files.root
    if not folder.train:
        return [Fault("root", refusal(str(root), ["yolo"]))]
    messages = []
    if not folder.names:
        messages.append(
            f"{spec.root} names no classes: add names to data.yaml, a classes.txt, or list data.classes in order"
        )
    if len(set(folder.names.values())) < len(folder.names):
        messages.append(f"{spec.root} names a class twice")
    for part, places in (("train", folder.train), ("val", folder.val)):
        images = folder.images(places, Faults())
        if places and not images:
            messages.append(f"there are no images in {', '.join(map(str, places))}")
        elif places and not any(map(folder.label_file, images)):
            tried = dict.fromkeys(str(folder.files.relative(path)) for path in folder.label_files(images[0]))
            lacks = f"{root} has no label file for the {len(images)} images of {part}"
            messages.append(f"{lacks}: looked for {' and '.join(tried)}")
    return [Fault("root", message) for message in messages]


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder. Raises UserError, see `YoloRows.conclude` and `folder.build`."""
    faults = Faults()
    folder = read_folder(spec, faults)
    train, val = (folder.images(places, faults) for places in (folder.train, folder.val))
    if folder.val:
        for path in sorted(set(train) & set(val)):
            faults.add("image in train and val", str(path))
        val = [path for path in val if path not in set(train)]
        parts = ", ".join(str(folder.files.relative(path)) for path in folder.train + folder.val)
        how = f"{folder.layout}: {parts}" if folder.layout else parts
    else:
        train, val, how = seeded(train, spec)
        how = f"{folder.layout}, {how}" if folder.layout else how
    rows = YoloRows(folder.names, folder.keypoints)
    kept = [[item for path in part if (item := _annotated(path, folder, rows, faults))] for part in (train, val)]
    rows.conclude(str(spec.root), faults)
    classes = tuple(folder.names[number] for number in sorted(folder.names))
    note_case(classes, faults)
    place = ", ".join(str(folder.files.relative(path)) for path in folder.test)
    test = find(place, lambda own: _test(folder, rows, str(spec.root), own), faults) if folder.test else None
    return build(spec, Parts(kept[0], kept[1], how, test), classes, image_size, held, faults)


def _test(folder: YoloFolder, read: YoloRows, root: str, faults: Faults) -> list[Annotated]:
    """The images for tests. Their long rows are what those of train and val are, which are `read`."""
    rows = YoloRows(folder.names, folder.keypoints)
    images = folder.images(folder.test, faults)
    items = [item for path in images if (item := _annotated(path, folder, rows, faults))]
    if not read.polygons:
        rows.conclude(root, faults)
    return items


def _annotated(path: Path, folder: YoloFolder, rows: YoloRows, faults: Faults) -> Annotated | None:
    """The image with its boxes; None when its label file cannot be read."""
    labels = folder.label_file(path)
    place = str(folder.files.relative(labels or path))
    item = Annotated(path, f"{place}, line", relative=labels is not None)
    if labels is None:
        return item
    try:
        lines = read_lines(labels)
    except UserError:
        faults.add("unreadable label file", place)
        return None
    for number, line in enumerate(lines, start=1):
        parsed = rows.read(line) if line else None
        if isinstance(parsed, str):
            faults.add(parsed, f"{place}, line {number}: {line[:60]}")
        elif parsed is not None:
            item.boxes.append(Box(number, *parsed, crowd=False))
    return item


class YoloRows:
    """Reads rows, and counts the polygons.

    Attributes:
        names: the classes by number.
        keypoints: `kpt_shape` of data.yaml; (0, 0): no keypoints; None: not given.
    """

    def __init__(self, names: Mapping[int, str], keypoints: tuple[int, int] | None) -> None:
        self.names = names
        self.keypoints = keypoints
        self._pose_length = 4 + keypoints[0] * keypoints[1] if keypoints else 4
        self._boxes = 0
        self._lengths: Counter[int] = Counter()
        self._pose_like = 0

    def read(self, line: str) -> tuple[str, Corners] | str:
        """Class and corners as shares of the image's sides, or the kind of the fault."""
        try:
            first, *values = map(float, line.split())
        except ValueError:
            return "label that is not of numbers"
        box = len(values) in (4, self._pose_length)
        if not box and (fault := self._form_fault(len(values))):
            return fault
        if not all(-_SLACK <= value <= 1 + _SLACK for value in (values[:4] if box else values)):
            return "label outside of 0 to 1"
        if first not in self.names:
            return "unknown class"
        name = self.names[int(first)]
        if box:
            self._boxes += 1
            return name, _box(values)
        self._lengths[len(values)] += 1
        x0, y0, x1, y1 = _box(values)
        low, high = -10 * _SLACK, 1 + 10 * _SLACK
        self._pose_like += low <= x0 < x1 <= high and low <= y0 < y1 <= high
        return name, (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))

    @property
    def polygons(self) -> int:
        return self._lengths.total()

    def conclude(self, root: str, faults: Faults) -> None:
        """Note the polygons.

        Raises:
            UserError: they may as well be boxes with keypoints.
        """
        polygons = self.polygons
        if not polygons:
            return
        if self.keypoints is None and len(self._lengths) == 1 and self._pose_like >= _POSE_SHARE * polygons:
            (length,) = self._lengths
            raise UserError(
                f"{root}: {polygons} rows of {length + 1} values may be boxes with keypoints or polygons: say which in "
                f"data.yaml, by kpt_shape: [{(length - 4) // 2}, 2] or, for polygons, kpt_shape: null"
            )
        beside = f" ({self._boxes} others are boxes)" if self._boxes else ""
        faults.note(f"{polygons} rows are polygons or oriented boxes{beside}: the box around each is used")

    def _form_fault(self, count: int) -> str:
        if self._pose_length > 4:
            return f"label that is neither a box nor one with the keypoints of kpt_shape {list(self.keypoints or ())}"
        if count == 5:
            return "label of six values, where predictions have a confidence: leave it out"
        return "" if count >= 6 and count % 2 == 0 else "label without class x y width height"


def _box(values: Sequence[float]) -> Corners:
    x, y, w, h = values[:4]
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2
