"""COCO files with their images, in the layouts of `nas.tasks.data.layouts`.

Category ids may be sparse; classes stand in the order of their ids. Source: https://cocodataset.org/#format-data
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
from nas.tasks.data import layouts
from nas.tasks.data.class_names import note_case
from nas.tasks.data.coco_ids import read_categories, read_id
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box, Read, build, check_root, seeded
from nas.tasks.data.image_names import ImageNames
from nas.tasks.data.layouts import Part
from nas.tasks.data.layouts.refusal import refusal
from nas.tasks.data.named_files import NamedFiles
from nas.tasks.data.sizes import stated_in


class _File(NamedTuple):
    """What a COCO file says: the images, the names of the categories by id, and what their groups are called."""

    images: list[Annotated]
    names: dict[int, str]
    groups: set[str]


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its files."""
    faults = check_root(spec)
    if not faults and layouts.find(Path(str(spec.root)), "coco") is None:
        faults.append(Fault("root", refusal(str(spec.root), ["coco"])))
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
    found = layouts.find(Path(str(spec.root)), "coco")
    assert found is not None, "check() comes first"
    files = [_read(part, found.root, faults) for part in (found.train, found.val) if part is not None]
    for path in found.unused:
        faults.note(f"{path.relative_to(found.root)} is not used")
    # The files may number their categories differently: names count, in the order of the ids.
    ordered = sorted({pair for file in files for pair in file.names.items()})
    classes = _without_groups(tuple(dict.fromkeys(name for _, name in ordered)), files, faults)
    note_case(classes, faults)
    if found.val is None:
        train, val, how = seeded(files[0].images, spec)
    else:
        train, val = (file.images for file in files)
        how = ", ".join(part.annotations.name for part in (found.train, found.val) if part.annotations is not None)
    return Read(train, val, classes, found.how(how))


def _without_groups(classes: tuple[str, ...], files: list[_File], faults: Faults) -> tuple[str, ...]:
    """The classes but those that only group others, as Roboflow's category 0 does."""
    used = {box.label for file in files for item in file.images for box in item.boxes}
    groups = set().union(*(file.groups for file in files)) - used
    for name in classes:
        if name in groups:
            faults.note(f"the category {name} has no objects and only groups others: it is no class")
    return tuple(name for name in classes if name not in groups)


def _read(part: Part, root: Path, faults: Faults) -> _File:
    path, folder = part.annotations, part.images
    assert path is not None
    assert folder is not None
    try:
        data = json.loads(path.read_bytes())
        names, groups = read_categories(data["categories"], path.name, faults)
        images: dict[Any, Annotated] = {}
        named = ImageNames(NamedFiles(root), (folder, root), path.name)
        for item in data["images"]:
            number = read_id(item["id"])
            if number in images:
                faults.add("repeated image id", f"{path.name}, {item['file_name']}: id {item['id']}")
            else:
                stated = stated_in(item.get("width"), item.get("height"), f"{path.name}, {item['file_name']}", faults)
                place = f"{path.name}, annotation"
                images[number] = Annotated(named.path(str(item["file_name"])), place, stated=stated)
        annotations = list(data["annotations"])
    except (AttributeError, OSError, OverflowError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: not a COCO file: it needs images (id, file_name), annotations and categories (id, name); "
            f"{type(error).__name__}: {error}"
        ) from error
    for image_id, box in _boxes(annotations, set(images), names, path.name, faults):
        images[image_id].boxes.append(box)
    shared = named.shared(faults)
    return _File([item for item in images.values() if item.path not in shared], names, groups)


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
