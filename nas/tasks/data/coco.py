"""COCO files with their images, in the layouts of `nas.tasks.data.layouts`.

Category ids may be sparse; classes are in the order of their ids. Tools write ids as numbers, floats or text.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Box, Parts, find_layout, read_stated, seeded
from nas.tasks.data.classes import note_case, read_name
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import build
from nas.tasks.data.layouts import Part
from nas.tasks.data.named_files import ImageNames, NamedFiles
from nas.tasks.data.unseen import find


class _File(NamedTuple):
    """A COCO file: its images, the names of its categories by id, and the names of their groups."""

    images: list[Annotated]
    names: dict[int, str]
    groups: set[str]


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder. Raises UserError, see `read` and `folder.build`."""
    faults = Faults()
    return build(spec, *read(spec, faults), image_size, held, faults)


def read(spec: DataSpec, faults: Faults) -> tuple[Parts, tuple[str, ...]]:
    """The annotated images of the folder, and the classes, which are those of train and val.

    Raises:
        UserError: a file is not COCO's JSON.
    """
    found = find_layout(spec, "coco", faults)
    files = [_read_file(part, found.root, faults) for part in (found.train, found.val) if part is not None]
    # The files may number their categories differently: names count, in the order of the ids.
    ordered = sorted({pair for file in files for pair in file.names.items()})
    classes = _without_groups(tuple(dict.fromkeys(name for _, name in ordered)), files, faults)
    note_case(classes, faults)
    if found.val is None:
        train, val, how = seeded(files[0].images, spec)
    else:
        train, val = (file.images for file in files)
        how = ", ".join(part.annotations.name for part in (found.train, found.val) if part.annotations is not None)
    part, test = found.test, None
    if part is not None:
        test = find(found.test_place, lambda own: _read_file(part, found.root, own).images, faults, classes)
    return Parts(train, val, found.how(how), test), classes


def read_id(value: Any) -> int | str:
    """The id as a whole number, if it is one however written (3, 3.0, "3", "3.0"), else as text.

    "007" is no number: it may be used beside "7".

    Raises:
        TypeError: not a number, nor text.
        ValueError: a number that is not whole.
    """
    if isinstance(value, str):
        text = value.strip()
        whole = text.removesuffix(".0")
        numeric = whole.isascii() and whole.removeprefix("-").isdigit() and str(int(whole)) == whole
        return int(whole) if numeric else text
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no id")
    if value != int(value):
        raise ValueError(f"{value!r} is no id")
    return int(value)


def read_categories(items: Sequence[Any], place: str, faults: Faults) -> tuple[dict[int, str], set[str]]:
    """The names of the categories by id, and the names that others give as their supercategory.

    Raises:
        KeyError, TypeError, ValueError: not a list of categories.
    """
    names: dict[int, str] = {}
    for item in items:
        number = read_id(item["id"])
        if not isinstance(number, int):
            raise ValueError(f"the category id {number!r} is no number")
        name = read_name(item["name"], faults)
        twin = next((k for k, known in names.items() if known == name and k != number), None)
        if twin is not None:
            faults.note(f"{place}: the categories {twin} and {number} are both {name}, and are read as one class")
        if names.setdefault(number, name) != name:
            raise ValueError(f"the category id {number} is both {names[number]} and {name}")
    pairs = {(str(item["name"]).strip(), str(item.get("supercategory")).strip()) for item in items}
    return names, {group for name, group in pairs if group != name} & set(names.values())


def _without_groups(classes: tuple[str, ...], files: list[_File], faults: Faults) -> tuple[str, ...]:
    """The classes but those that only group others, as Roboflow's category 0 does."""
    used = {box.label for file in files for item in file.images for box in item.boxes}
    groups = set().union(*(file.groups for file in files)) - used
    for name in classes:
        if name in groups:
            faults.note(f"the category {name} has no objects and only groups others: it is no class")
    return tuple(name for name in classes if name not in groups)


def _read_file(part: Part, root: Path, faults: Faults) -> _File:
    path, folder = part.annotations, part.images
    assert path is not None
    assert folder is not None
    try:
        data = json.loads(path.read_bytes())
        names, groups = read_categories(data["categories"], path.name, faults)
        images: dict[Any, Annotated] = {}
        named = ImageNames(NamedFiles(root), (folder, root), path.name)
        for item in data["images"]:
            number, place = read_id(item["id"]), f"{path.name}, {item['file_name']}"
            if number in images:
                faults.add("repeated image id", f"{place}: id {item['id']}")
            else:
                stated = read_stated(item.get("width"), item.get("height"), place, faults)
                image = named.path(str(item["file_name"]))
                images[number] = Annotated(image, f"{path.name}, annotation", stated=stated)
        annotations = list(data["annotations"])
    except (AttributeError, OSError, OverflowError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: not a COCO file: it needs images (id, file_name), annotations and categories (id, name); "
            f"{type(error).__name__}: {error}"
        ) from error
    for image_id, box in _boxes(annotations, set(images), names, path.name, faults):
        images[image_id].boxes.append(box)
    ambiguous = named.ambiguous(faults)
    return _File([item for item in images.values() if item.path not in ambiguous], names, groups)


def _boxes(
    annotations: list[Any], images: set[Any], names: dict[int, str], file: str, faults: Faults
) -> Iterator[tuple[Any, Box]]:
    """Image id and box of each annotation that can be read."""
    for place, item in enumerate(annotations):
        try:
            number = read_id(item.get("id", place))
            image, category = read_id(item["image_id"]), read_id(item["category_id"])
            x, y, width, height = map(float, item["bbox"])
            crowd = bool(item.get("iscrowd", 0))
            if not np.isfinite((x, y, width, height)).all():
                raise ValueError
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            faults.add("unreadable annotation", f"{file}, entry {place} of annotations")
            continue
        if image not in images:
            faults.add("unknown image", f"{file}, annotation {number}: image_id {image}")
        elif not isinstance(category, int) or category not in names:
            faults.add("unknown category", f"{file}, annotation {number}: category_id {category}")
        else:
            yield image, Box(number, names[category], (x, y, x + width, y + height), crowd, item.get("segmentation"))
