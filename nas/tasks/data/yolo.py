"""YOLO: a text file an image, a row an object: class x y width height, centre and size as parts of the image.

`data.yaml` names the classes and the parts; else the layouts of `nas.tasks.data.layouts` hold, with classes.txt or the
study's classes in their order. An image without labels shows no object; labels are of the upright
picture. `yolo_rows.py` has the other forms of rows. Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import math
from pathlib import Path

from nas.errors import Fault, SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data.class_names import note_case
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box, Read, build, check_root, seeded
from nas.tasks.data.layouts.refusal import refusal
from nas.tasks.data.named_files import NamedFiles
from nas.tasks.data.yolo_folder import YoloFolder, read_folder
from nas.tasks.data.yolo_rows import YoloRows


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its labels."""
    faults = check_root(spec)
    if faults:
        return faults
    try:
        folder = read_folder(spec, Faults())
    except SpecError as error:
        return [Fault("root", str(error))]
    if folder.faults:
        return list(folder.faults)
    if not folder.train:
        return [Fault("root", refusal(str(folder.root), ["yolo"]))]
    if not folder.names:
        message = f"{spec.root} names no classes: add names to data.yaml, a classes.txt, or list data.classes in order"
        faults.append(Fault("root", message))
    if len(set(folder.names.values())) < len(folder.names):
        faults.append(Fault("root", f"{spec.root} names a class twice"))
    files = NamedFiles(folder.root)
    for part, places in (("train", folder.train), ("val", folder.val)):
        images = folder.images(places, files, Faults())
        if places and not images:
            faults.append(Fault("root", f"there are no images in {', '.join(map(str, places))}"))
        elif places and not any(_labels(image, folder, files) for image in images):
            looked = " and ".join(str(folder.told(path)) for path in dict.fromkeys(folder.label_files(images[0])))
            message = f"{folder.root} has no label file for the {len(images)} images of {part}: looked for {looked}"
            faults.append(Fault("root", message))
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: rows that can be read in two ways; see also `folder.build`.
    """
    assert spec.root is not None, "check() comes first"
    faults = Faults()
    folder = read_folder(spec, faults)
    files = NamedFiles(folder.root)
    train, val = (folder.images(places, files, faults) for places in (folder.train, folder.val))
    if folder.val:
        for path in sorted(set(train) & set(val)):
            faults.add("image in train and val", str(path))
        val = [path for path in val if path not in set(train)]
        parts = ", ".join(str(folder.told(path)) for path in folder.train + folder.val)
        how = f"{folder.layout}: {parts}" if folder.layout else parts
    else:
        train, val, how = seeded(train, spec)
        how = f"{folder.layout}, {how}" if folder.layout else how
    rows = YoloRows(folder.names, folder.keypoints)
    kept = [
        [item for path in part if (item := _annotated(path, folder, files, rows, faults)) is not None]
        for part in (train, val)
    ]
    rows.conclude(str(spec.root), faults)
    classes = tuple(folder.names[number] for number in sorted(folder.names))
    note_case(classes, faults)
    return build(spec, Read(kept[0], kept[1], classes, how), image_size, held, faults)


def _labels(image: Path, folder: YoloFolder, files: NamedFiles) -> Path | None:
    """The first label file that is there."""
    return next((path for one in folder.label_files(image) if (path := files.at(one)) is not None), None)


def _annotated(path: Path, folder: YoloFolder, files: NamedFiles, rows: YoloRows, faults: Faults) -> Annotated | None:
    """The image with its boxes; None when its label file cannot be read."""
    labels = _labels(path, folder, files)
    if labels is None:
        return Annotated(path, f"{folder.told(path)}, line")
    place = str(folder.told(labels))
    item = Annotated(path, f"{place}, line", relative=True)
    try:
        lines = labels.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        faults.add("unreadable label file", place)
        return None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parsed = rows.read(line)
        if isinstance(parsed, str):
            faults.add(parsed, f"{place}, line {number}: {line.strip()[:60]}")
            continue
        item.boxes.append(Box(number, *parsed, crowd=False))
    return item
