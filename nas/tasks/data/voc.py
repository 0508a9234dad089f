"""Pascal VOC: an XML file an image, in the layouts of `nas.tasks.data.layouts`.

Without lists or folders of parts a share of the images, drawn by seed, is for validation. Corners count from 1 and are
inclusive (VOC2012 development kit, section 4); `difficult` objects are neither to be found nor counted as errors.
`size` is compared with the image and decides which way up it is read; where it is missing or 0 x 0 nothing is compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data import layouts
from nas.tasks.data.class_names import note_case, read_name
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box, Read, build, check_root, seeded
from nas.tasks.data.layouts import Match
from nas.tasks.data.layouts.refusal import refusal
from nas.tasks.data.sizes import stated_in
from nas.tasks.data.voc_files import VocFiles, read_list

_LISTS = "ImageSets/Main"


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its files."""
    faults = check_root(spec)
    if not faults and layouts.find(Path(str(spec.root)), "voc") is None:
        faults.append(Fault("root", refusal(str(spec.root), ["voc"])))
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: see `folder.build`.
    """
    found = layouts.find(Path(str(spec.root)), "voc")
    assert found is not None, "check() comes first"
    faults = Faults()
    train_names, val_names, how = _parts(spec, found, faults)
    train = _annotated(VocFiles(found.root, found.train), train_names, faults)
    val = _annotated(VocFiles(found.root, found.val or found.train), val_names, faults)
    classes = sorted({box.label for item in train + val for box in item.boxes})
    note_case(classes, faults)
    return build(spec, Read(train, val, tuple(classes), found.how(how)), image_size, held, faults)


def parse(data: bytes) -> Element:
    """XML without a document type, so that no entity can be declared, let alone expanded.

    Raises:
        ValueError: this is not such XML.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"not XML: {error}") from error
    return builder.close()


def _refuse(*_: object) -> None:
    raise ValueError("a document type is not accepted")


def _parts(spec: DataSpec, found: Match, faults: Faults) -> tuple[list[str], list[str], str]:
    """The names of the images of train and val, and how they came about."""
    names = VocFiles(found.root, found.train).names(faults)
    if found.val is None:
        return seeded(_but_test(names, found, faults), spec)
    for path in found.unused:
        faults.note(f"{path.relative_to(found.root)} is not used")
    val = VocFiles(found.root, found.val).names(faults)
    if found.val.annotations != found.train.annotations:
        return names, val, found.how("")
    for name in sorted(set(names) & set(val)):
        faults.add("image in train and val", f"{_LISTS}/val.txt, {name}")
    both = found.root / _LISTS / "trainval.txt"
    more = len(set(read_list(both)) - {*names, *val}) if both.is_file() else 0
    if more:
        faults.note(f"{_LISTS}/trainval.txt is not used; it has {more} names that train.txt and val.txt lack")
    return names, [name for name in val if name not in set(names)], _LISTS


def _but_test(names: list[str], found: Match, faults: Faults) -> list[str]:
    """The names without those that are kept for a test."""
    for path in found.unused:
        faults.note(f"{path.relative_to(found.root)} is not used")
    test = found.root / _LISTS / "test.txt"
    kept = set(read_list(test)) if test.is_file() else set()
    if kept:
        faults.note(f"{_LISTS}/test.txt: its {len(kept)} images are not used")
    return [name for name in names if name not in kept]


def _annotated(files: VocFiles, names: list[str], faults: Faults) -> list[Annotated]:
    result = []
    for name in names:
        xml, place = files.xml(name)
        if xml is None:
            faults.add("missing annotation", place)
            continue
        try:
            tree = parse(xml.read_bytes())
        except (OSError, ValueError):
            faults.add("unreadable annotation", place)
            continue
        path = files.image(xml, tree.findtext("filename", "").strip())
        if path is None:
            faults.add("several images of one name", place)
        else:
            boxes = _boxes(tree, place, faults)
            stated = stated_in(tree.findtext("size/width"), tree.findtext("size/height"), place, faults)
            result.append(Annotated(path, f"{place}, object", boxes, stated))
    return result


def _boxes(tree: Element, place: str, faults: Faults) -> list[Box]:
    boxes = []
    for number, item in enumerate(tree.iterfind("object"), start=1):
        try:
            x0, y0, x1, y1 = (float(item.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
            label = read_name(item.findtext("name", ""), faults)
            if not label or not np.isfinite((x0, y0, x1, y1)).all():
                raise ValueError
        except ValueError:
            faults.add("unreadable box", f"{place}, object {number}")
            continue
        if x1 <= x0 or y1 <= y0:
            # Inclusive corners on one pixel would make a box of a pixel: in truth a slip of the mouse.
            faults.add("degenerate box", f"{place}, object {number} ({label})")
            continue
        difficult = item.findtext("difficult", "0").strip() == "1"
        boxes.append(Box(number, label, (x0 - 1, y0 - 1, x1, y1), difficult))
    return boxes
