"""Small annotated folders, written for a test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Corners = tuple[float, float, float, float]


def write_image(path: Path, width: int = 64, height: int = 48, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def voc_object(name: str, box: Corners, difficult: int = 0) -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    corners = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, box, strict=True))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{corners}</bndbox></object>"


def write_voc(root: Path, images: Mapping[str, Sequence[str]], val: Sequence[str] | None = None) -> Path:
    """Images of 64 x 48 by name with their objects as XML; those of `val` listed apart, without `val` no lists."""
    (root / "Annotations").mkdir(parents=True)
    for i, (name, objects) in enumerate(images.items()):
        write_image(root / "JPEGImages" / f"{name}.png", seed=i)
        xml = f"<annotation><filename>{name}.png</filename>{''.join(objects)}</annotation>"
        (root / "Annotations" / f"{name}.xml").write_text(xml)
    if val is not None:
        lists = root / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("\n".join(name for name in images if name not in val) + "\n")
        (lists / "val.txt").write_text("\n".join(val) + "\n")
    return root


def coco_file(boxes: Sequence[tuple[int, Sequence[float]]], categories: Mapping[int, str], images: int = 1) -> Any:
    """The content of a COCO file: boxes as (category id, [x, y, w, h]), the k-th on image k modulo `images`."""
    return {
        "images": [{"id": 10 + i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(images)],
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
        "annotations": [
            {"id": 100 + k, "image_id": 10 + k % images, "category_id": category, "bbox": list(box), "iscrowd": 0}
            for k, (category, box) in enumerate(boxes)
        ],
    }


def write_coco(
    root: Path, train: Any, val: Any, json_name: str = "instances_{}.json", images: str = "images/{}"
) -> Path:
    for part, content in (("train", train), ("val", val)):
        path = root / json_name.format(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        for i, image in enumerate(content["images"]):
            write_image(root / images.format(part) / image["file_name"], seed=i)
    return root
