"""Small data sets of each kind, whole, to be spoilt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = {"train": ("a", "b", "c"), "val": ("d", "e")}


def _image(path: Path, size: tuple[int, int] = (64, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(path.stem.encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def voc(root: Path) -> None:
    for part, names in NAMES.items():
        _text(root / f"ImageSets/Main/{part}.txt", "".join(f"{name}\n" for name in names))
        for k, name in enumerate(names):
            _image(root / f"JPEGImages/{name}.jpg")
            box = "<bndbox><xmin>5</xmin><ymin>4</ymin><xmax>40</xmax><ymax>30</ymax></bndbox>"
            found = f"<object><name>{('cat', 'dog')[k % 2]}</name><difficult>0</difficult>{box}</object>"
            size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
            _text(
                root / f"Annotations/{name}.xml",
                f"<annotation><filename>{name}.jpg</filename>{size}{found}</annotation>",
            )


def coco(root: Path) -> None:
    for part, names in NAMES.items():
        images = [{"id": k, "file_name": f"{name}.png", "width": 64, "height": 48} for k, name in enumerate(names)]
        outline = [[5, 4, 40, 4, 40, 30, 5, 30]]
        found = [
            {"id": 9 + k, "image_id": k, "category_id": 3 + k % 2, "bbox": [5, 4, 35, 26], "area": 910, "iscrowd": 0}
            | {"segmentation": outline if k else {"counts": [200, 100, 2772], "size": [48, 64]}}
            for k in range(len(names))
        ]
        content = {
            "images": images,
            "annotations": found,
            "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
        }
        _text(root / f"annotations/instances_{part}.json", json.dumps(content))
        for name in names:
            _image(root / f"images/{part}/{name}.png")


def yolo(root: Path) -> None:
    _text(root / "data.yaml", "path: .\ntrain: images/train\nval: lists/val.txt\nnames:\n  0: cat\n  1: dog\n")
    _text(root / "lists/val.txt", "".join(f"./images/val/{name}.png\n" for name in NAMES["val"]))
    for part, names in NAMES.items():
        for k, name in enumerate(names):
            _image(root / f"images/{part}/{name}.png")
            _text(root / f"labels/{part}/{name}.txt", f"{k % 2} 0.4 0.4 0.5 0.5\n")


def masks(root: Path) -> None:
    _text(root / "classes.txt", "cat\ndog\n")
    for part, names in NAMES.items():
        for k, name in enumerate(names):
            _image(root / f"images/{part}/{name}.png")
            found = np.zeros((48, 64), np.uint8)
            found[4:30, 5:40] = 1 + k % 2
            (root / f"masks/{part}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(found).save(root / f"masks/{part}/{name}.png")


KINDS: dict[str, Callable[[Path], None]] = {"voc": voc, "coco": coco, "yolo": yolo, "masks": masks}
