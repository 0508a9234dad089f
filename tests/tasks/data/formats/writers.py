"""Small folders as each tool exports them: images of 64 x 48 by name, with their boxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.studies.spec import DataSpec
from nas.tasks.data.coco_masks import Broken, read_outline
from nas.tasks.data.faults import Faults
from nas.tasks.data.formats import FORMATS, reading
from nas.tasks.data.outlines import scaled
from tests.tasks.data.builders import BOXES, CLASSES, images, label_of, write

Boxes = Sequence[tuple[str, Sequence[float]]]
Contents = Mapping[str, Boxes]

FOUR: Contents = {name: [(CLASSES[label_of(name)], box)] for name, box in BOXES.items()}
PARTS = {"train": ("a", "b"), "val": ("c", "d")}


def cvat(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48), more: str = "") -> None:
    def shapes(boxes: Boxes) -> str:
        return "".join(
            f'<box label="{label}" occluded="0" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" z_order="0"></box>'
            for label, (x0, y0, x1, y1) in boxes
        )

    sides = f'width="{size[0]}" height="{size[1]}"'
    own = "".join(
        f'<image id="{k}" name="{name}.png" {sides}>{shapes(boxes)}{"" if k else more}</image>'
        for k, (name, boxes) in enumerate(contents.items())
    )
    meta = "<meta><task><id>7</id><name>cells</name><mode>annotation</mode><labels/></task></meta>"
    write(root / "annotations.xml", f"<annotations><version>1.1</version>{meta}{own}</annotations>")
    images(root / "images", contents)


def labelme(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48)) -> None:
    for name, boxes in contents.items():
        shapes = [
            {"label": label, "points": [[x0, y0], [x1, y1]], "group_id": None, "shape_type": "rectangle", "flags": {}}
            for label, (x0, y0, x1, y1) in boxes
        ]
        labelme_file(root / f"{name}.json", shapes, size)
    images(root, contents)


def labelme_file(path: Path, shapes: Sequence[Any], size: Sequence[int] = (64, 48), image: str = "") -> None:
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image or f"{path.stem}.png"}
    write(path, json.dumps(content | {"imageData": None, "imageHeight": size[1], "imageWidth": size[0]}))


def labelstudio(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48)) -> None:
    def value(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
        return {"x": x0 / 0.64, "y": y0 / 0.48, "width": (x1 - x0) / 0.64, "height": (y1 - y0) / 0.48, "rotation": 0}

    tasks = [
        labelstudio_task(k, name, [value(*box) | {"rectanglelabels": [label]} for label, box in boxes], size)
        for k, (name, boxes) in enumerate(contents.items(), start=1)
    ]
    write(root / "project-1-at-2026-01-01.json", json.dumps(tasks))
    images(root / "images", contents)


def labelstudio_task(number: int, name: str, values: Sequence[Any], size: Sequence[int] = (64, 48)) -> dict[str, Any]:
    sides = {"original_width": size[0], "original_height": size[1], "image_rotation": 0}
    tag = {"from_name": "label", "to_name": "image", "type": "rectanglelabels"}
    result = [sides | tag | {"id": f"r{k}", "value": own} for k, own in enumerate(values)]
    annotation = {"id": 1, "was_cancelled": False, "ground_truth": False, "result": result}
    return {"id": number, "annotations": [annotation], "data": {"image": f"/data/upload/1/{name}.png"}}


def supervisely(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48), folder: str = "ds0") -> None:
    write(root / "meta.json", json.dumps({"classes": [{"title": "cat", "shape": "rectangle"}], "tags": []}))
    for name, boxes in contents.items():
        objects = [
            # Corners are pixels, both included.
            supervisely_object(label, "rectangle", [[x0, y0], [x1 - 1, y1 - 1]])
            for label, (x0, y0, x1, y1) in boxes
        ]
        content = {"description": "", "tags": [], "size": {"height": size[1], "width": size[0]}, "objects": objects}
        write(root / folder / "ann" / f"{name}.png.json", json.dumps(content))
    images(root / folder / "img", contents)


def supervisely_object(label: str, kind: str, exterior: Any, interior: Any = ()) -> dict[str, Any]:
    return {
        "classTitle": label,
        "geometryType": kind,
        "tags": [],
        "points": {"exterior": exterior, "interior": list(interior)},
    }


def darwin(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48)) -> None:
    for name, boxes in contents.items():
        annotations = [
            {"id": f"i{k}", "name": label, "slot_names": ["0"], "bounding_box": _corner_size(box)}
            for k, (label, box) in enumerate(boxes)
        ]
        darwin_file(root / "releases/latest/annotations" / f"{name}.json", annotations, size)
    images(root / "images", contents)


def darwin_file(path: Path, annotations: Sequence[Any], size: Sequence[int] = (64, 48)) -> None:
    slot = {"slot_name": "0", "type": "image", "width": size[0], "height": size[1], "source_files": []}
    item = {"name": f"{path.stem}.png", "path": "/", "slots": [slot]}
    write(path, json.dumps({"version": "2.0", "item": item, "annotations": annotations}))


def _corner_size(box: Sequence[float]) -> dict[str, float]:
    x0, y0, x1, y1 = box
    return {"x": x0, "y": y0, "w": x1 - x0, "h": y1 - y0}


def _relative(box: Sequence[float]) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0 / 64, y0 / 48, (x1 - x0) / 64, (y1 - y0) / 48]


def fiftyone(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48)) -> None:
    samples = [
        {
            "filepath": f"data/{name}.png",
            "tags": [],
            "metadata": {"_cls": "ImageMetadata", "width": size[0], "height": size[1]},
            "ground_truth": detections([{"label": label, "bounding_box": _relative(box)} for label, box in boxes]),
        }
        for name, boxes in contents.items()
    ]
    write(root / "samples.json", json.dumps({"samples": samples}))
    write(root / "metadata.json", "{}")
    images(root / "data", contents)


def detections(own: Sequence[Any]) -> dict[str, Any]:
    return {"_cls": "Detections", "detections": [{"_cls": "Detection"} | one for one in own]}


def fiftyone_labels(root: Path, contents: Contents = FOUR) -> None:
    labels = {
        name: [{"label": CLASSES.index(label), "bounding_box": _relative(box)} for label, box in boxes]
        for name, boxes in contents.items()
    }
    write(root / "labels.json", json.dumps({"classes": list(CLASSES), "labels": labels}))
    images(root / "data", contents)


def csv(root: Path, contents: Contents = FOUR, size: Sequence[int] = (64, 48)) -> None:
    rows = [
        f"{name}.png,{size[0]},{size[1]},{label},{','.join(map(str, box))}"
        for name, boxes in contents.items()
        for label, box in boxes
    ]
    write(root / "_annotations.csv", "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows]))
    images(root, contents)


def createml(root: Path, contents: Contents = FOUR) -> None:
    def one(label: str, box: Sequence[float]) -> dict[str, Any]:
        x0, y0, x1, y1 = box
        place = {"x": (x0 + x1) / 2, "y": (y0 + y1) / 2, "width": x1 - x0, "height": y1 - y0}
        return {"label": label, "coordinates": place}

    entries = [
        {"image": f"{name}.png", "annotations": [one(*own) for own in boxes]} for name, boxes in contents.items()
    ]
    write(root / "_annotations.createml.json", json.dumps(entries))
    images(root, contents)


def outlines(kind: str, root: Path, name: str = "a.png") -> list[NDArray[np.bool_]]:
    """The pixels [48, 64] of each object of an image."""
    parts, _ = reading.read(FORMATS[kind], DataSpec(kind=kind, root=str(root)), Faults())
    (item,) = (item for item in (*parts.train, *parts.val) if item.path.name == name)
    masks = []
    for box in item.boxes:
        mask = read_outline(scaled(box.mask, 64, 48) if item.relative else box.mask, 48, 64)
        assert not isinstance(mask, Broken), mask
        masks.append(mask)
    return masks


Writer = Callable[..., None]

SIZED: dict[str, Writer] = {
    "cvat": cvat,
    "labelme": labelme,
    "labelstudio": labelstudio,
    "supervisely": supervisely,
    "darwin": darwin,
    "fiftyone": fiftyone,
    "csv": csv,
}
"""Formats that state the size of an image."""

WRITERS: dict[str, Writer] = SIZED | {"createml": createml}
