"""FiftyOne's own folders: FiftyOneImageDetectionDataset (labels.json) and FiftyOneDataset (samples.json).

Both have the images in `data/`, and boxes x y width height in shares of the image's sides. A folder of its own for
train, val and test, or a sample's tag of such a name, is a part. Of several fields with objects `ground_truth` counts.
Source: https://docs.voxel51.com/user_guide/export_datasets.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from nas.tasks.data.formats.base import Format, Found, NoBox, Record, below, folder_part, has_keys, part_name, read_json
from nas.tasks.data.formats.shapes import around, number, points, ring
from nas.tasks.data.named_files import is_array, is_image
from nas.tasks.data.outlines import Bitmap, Bits, EvenOdd, inflated

_FIELDS = ("Detections", "Polylines", "Keypoints")
_TRUTH = "ground_truth"


class FiftyOne(Format):
    """Data sets as FiftyOne exports them in its own formats."""

    title = "FiftyOne folder"
    wanted = "samples.json, or labels.json with classes and labels, beside data/"
    what = "detection"

    def files(self, root: Path) -> list[Path]:
        return [
            path
            for path in below(root, ".json")
            if (path.name == "samples.json" and has_keys(path, "samples"))
            or (path.name == "labels.json" and has_keys(path, "labels"))
        ]

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        content = read_json(file)
        if "samples" in content:
            field = _field(content["samples"])
            for number, sample in enumerate(content["samples"], start=1):
                yield f"sample {number}", (sample, field)
            return
        data = file.parent / "data"
        files = {
            str(path.relative_to(data).with_suffix("")): path
            for wanted in (is_array, is_image)  # of two files of one name the image counts
            for path in filter(wanted, data.rglob("*"))
        }
        classes = content.get("classes")
        for name, own in content["labels"].items():
            path = files.get(name)
            objects = [_named(one, classes) for one in own or ()]
            yield name, ({"filepath": str(path.relative_to(data)) if path is not None else name, "": objects}, "")

    def record(self, image: Any, file: Path, root: Path) -> Record:
        sample, field = image
        size = sample.get("metadata") or {}
        tags = [tag for tag in map(str, sample.get("tags") or ()) if part_name(tag)]
        own = sample.get(field) or []
        kind = own.get("_cls", "").lower() if isinstance(own, dict) else ""
        return Record(
            image=str(sample["filepath"]),
            bases=(file.parent, file.parent / "data") if field else (file.parent / "data", file.parent),
            objects=own[kind] if isinstance(own, dict) else own,
            width=size.get("width"),
            height=size.get("height"),
            relative=True,
            part=tags[0] if tags else folder_part(file, root),
        )

    def shape(self, item: Any, record: Record) -> Found | None:
        label, crowd = item["label"], bool(item.get("iscrowd"))
        if "bounding_box" in item:
            x, y, width, height = map(number, item["bounding_box"])
            corners = x, y, x + width, y + height
            mask = Bitmap(corners, _bits, _text(item["mask"])) if item.get("mask") else None
            return Found(label, corners, mask, crowd)
        if item.get("_cls") == "Keypoint":
            raise NoBox("keypoints, which have no box")
        rings = [points(path) for path in item["points"]]
        if not (item.get("closed") or item.get("filled")):
            raise NoBox("line, which has no box")
        return Found(label, around([p for path in rings for p in path]), EvenOdd(tuple(map(ring, rings))), crowd)


def _field(samples: Sequence[Mapping[str, Any]]) -> str:
    """The field of the samples that has the objects.

    Raises:
        ValueError: there is none, or several and none is called ground_truth.
    """
    fields = dict.fromkeys(
        key for sample in samples for key, own in sample.items() if isinstance(own, dict) and own.get("_cls") in _FIELDS
    )
    if _TRUTH in fields or len(fields) == 1:
        return _TRUTH if _TRUTH in fields else next(iter(fields))
    found = f"several fields have objects: {', '.join(fields)}" if fields else "no field has detections or polylines"
    raise ValueError(f"{found}; export one, or call it {_TRUTH}")


def _named(item: Mapping[str, Any], classes: Sequence[str] | None) -> dict[str, Any]:
    """A detection of labels.json, with the name of its class in place of its number."""
    label = item.get("label")
    if classes and isinstance(label, int) and 0 <= label < len(classes):
        return {**item, "label": classes[label]}
    return {**item, "label": label if isinstance(label, str) else None}


def _text(mask: Any) -> str:
    """The base64 text of a mask, which BSON wraps."""
    while isinstance(mask, dict):
        mask = mask["$binary"] if "$binary" in mask else mask["base64"]
    return str(mask)


def _bits(text: str) -> Bits:
    values: Bits = np.load(BytesIO(inflated(text)), allow_pickle=False) != 0
    return values
