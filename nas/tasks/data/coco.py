"""COCO folders: instances_{train,val}.json at the root or in annotations/, images in images/{train,val} or beside.

The names of COCO 2017 (instances_train2017.json, train2017/) are known too. Category ids may be sparse; classes stand
in the order of their ids. Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box, Read, build, check_root
from nas.tasks.data.sizes import stated_in

_PARTS = ("train", "val")


class _File(NamedTuple):
    """What a COCO file says: the images, and the names of the categories by id."""

    images: list[Annotated]
    names: dict[int, str]


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its files."""
    faults = check_root(spec)
    if faults:
        return faults
    assert spec.root is not None
    for part in _PARTS:
        for what, candidates, there in (
            ("annotations", _annotation_files(spec.root, part), Path.is_file),
            ("images", _image_folders(spec.root, part), Path.is_dir),
        ):
            if not any(there(path) for path in candidates):
                looked = " or ".join(str(path.relative_to(spec.root)) for path in candidates)
                faults.append(Fault("root", f"{spec.root} has no {what} of {part}: expected {looked}"))
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: a file is not COCO's JSON; see also `folder.build`.
    """
    faults = Faults()
    return build(spec, read(spec, faults), image_size, held, faults)


def read(spec: DataSpec, faults: Faults) -> Read:
    """What the folder's files say.

    Raises:
        UserError: a file is not COCO's JSON.
    """
    assert spec.root is not None, "check() comes first"
    files = []
    paths = []
    for part in _PARTS:
        path = next(path for path in _annotation_files(spec.root, part) if path.is_file())
        folder = next(path for path in _image_folders(spec.root, part) if path.is_dir())
        files.append(_read(path, folder, faults))
        paths.append(path.name)
    train, val = files
    # The two files may number their categories differently: names count, in the order of the ids.
    ordered = sorted({*train.names.items(), *val.names.items()})
    classes = tuple(dict.fromkeys(name for _, name in ordered))
    return Read(train.images, val.images, classes, ", ".join(paths))


def _annotation_files(root: str, part: str) -> list[Path]:
    names = (f"instances_{part}.json", f"instances_{part}2017.json")
    return [folder / name for folder in (Path(root), Path(root, "annotations")) for name in names]


def _image_folders(root: str, part: str) -> list[Path]:
    return [Path(root, "images", part), Path(root, part), Path(root, f"{part}2017")]


def _read(path: Path, folder: Path, faults: Faults) -> _File:
    try:
        data = json.loads(path.read_bytes())
        names = {int(item["id"]): str(item["name"]) for item in data["categories"]}
        images: dict[Any, Annotated] = {}
        for item in data["images"]:
            if item["id"] in images:
                faults.add("repeated image id", f"{path.name}, {item['file_name']}: id {item['id']}")
            else:
                stated = stated_in(item.get("width"), item.get("height"), f"{path.name}, {item['file_name']}", faults)
                place = f"{path.name}, annotation"
                images[item["id"]] = Annotated(folder / item["file_name"], place, stated=stated)
        annotations = list(data["annotations"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: not a COCO file: it needs images (id, file_name), annotations and categories (id, name); "
            f"{type(error).__name__}: {error}"
        ) from error
    for image_id, box in _boxes(annotations, set(images), names, path.name, faults):
        images[image_id].boxes.append(box)
    return _File(list(images.values()), names)


def _boxes(
    annotations: list[Any], images: set[Any], names: dict[int, str], file: str, faults: Faults
) -> Iterator[tuple[Any, Box]]:
    """Image id and box of each annotation that can be read."""
    for place, item in enumerate(annotations):
        try:
            number = int(item.get("id", place))
            image, category = item["image_id"], item["category_id"]
            x, y, width, height = map(float, item["bbox"])
            crowd = bool(item.get("iscrowd", 0))
            known_image, known_category = image in images, category in names
            if not np.isfinite((x, y, width, height)).all():
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            faults.add("unreadable annotation", f"{file}, entry {place} of annotations")
            continue
        if not known_image:
            faults.add("unknown image", f"{file}, annotation {number}: image_id {image}")
        elif not known_category:
            faults.add("unknown category", f"{file}, annotation {number}: category_id {category}")
        else:
            yield image, Box(number, names[category], (x, y, x + width, y + height), crowd, item.get("segmentation"))
