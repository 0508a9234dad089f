"""The same four images and boxes in the form of any tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from nas.tasks.data import Dataset
from tests.tasks.data.folders import coco_file, voc_object, write_image

BOXES = {"a": (10, 5, 30, 25), "b": (0, 8, 16, 40), "c": (32, 12, 60, 20), "d": (4, 4, 44, 44)}
"""Corners in images of 64 x 48; a and c show a cat, b and d a dog."""

EXTRA = {"y": (20, 10, 40, 40)}
"""A fifth image with a dog, that only a test asks for."""

CLASSES = ("cat", "dog")


def label_of(name: str) -> int:
    return "abcd".index(name) % 2 if name in BOXES else 1


def images(folder: Path, names: Iterable[str] = BOXES, suffix: str = ".png") -> None:
    for name in names:
        write_image(folder / f"{name}{suffix}", seed=ord(name[0]))


def xml(folder: Path, names: Iterable[str] = BOXES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        x0, y0, x1, y1 = (BOXES | EXTRA)[name]
        box = voc_object(CLASSES[label_of(name)], (x0 + 1, y0 + 1, x1, y1))
        text = f"<annotation><filename>{name}.png</filename>{box}</annotation>"
        (folder / f"{name}.xml").write_text(text)


def labels(folder: Path, names: Iterable[str] = BOXES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        x0, y0, x1, y1 = (BOXES | EXTRA)[name]
        row = (label_of(name), (x0 + x1) / 128, (y0 + y1) / 96, (x1 - x0) / 64, (y1 - y0) / 48)
        (folder / f"{name}.txt").write_text(" ".join(map(str, row)) + "\n")


def coco(file: Path, names: Iterable[str] = BOXES, written: Callable[[str], str] = "{}.png".format) -> None:
    """A COCO file whose images are called `written(name)`."""
    names = list(names)
    corners = [(label_of(name) + 1, (BOXES | EXTRA)[name]) for name in names]
    boxes = [(label, (x0, y0, x1 - x0, y1 - y0)) for label, (x0, y0, x1, y1) in corners]
    content = coco_file(boxes, {1: "cat", 2: "dog"}, images=len(names))
    for image, name in zip(content["images"], names, strict=True):
        image["file_name"] = written(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def read(data: Dataset) -> dict[str, tuple[str, list[list[float]]]]:
    """The class and boxes of every image by its stem, at a size of 64."""
    found = {}
    for split in (data.train, data.val):
        for i, name in enumerate(split.names):
            boxes, own, _ = split.targets(i)
            (label,) = set(own.tolist())
            found[Path(name).stem] = (data.classes[label], boxes.round(3).tolist())
    return found


EXPECTED = {name: (CLASSES[label_of(name)], [list(map(float, box))]) for name, box in BOXES.items()}
