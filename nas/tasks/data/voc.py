"""Pascal VOC folders: JPEGImages/, Annotations/ (an XML file an image) and ImageSets/Main/{train,val}.txt.

Without these two lists a share of the images, drawn by seed, is for validation. Corners count from 1 and are
inclusive (VOC2012 development kit, section 4); `difficult` objects are neither to be found nor counted as errors.
`size` is compared with the image and decides which way up it is read; where it is missing or 0 x 0 nothing is compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from PIL import Image

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box, Read, build, check_root, seeded
from nas.tasks.data.sizes import stated_in

_LISTS = "ImageSets/Main"


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its files."""
    faults = check_root(spec)
    if faults:
        return faults
    root = _root(spec)
    missing = [name for name in ("Annotations", "JPEGImages") if not (root / name).is_dir()]
    if missing:
        lacks = " and ".join(missing)
        faults.append(Fault("root", f"{root} is no VOC folder, it lacks {lacks}; a COCO folder needs kind: coco"))
    lists = [(root / _LISTS / f"{part}.txt").is_file() for part in ("train", "val")]
    if any(lists) and not all(lists):
        there, absent = ("train", "val") if lists[0] else ("val", "train")
        message = f"{root}/{_LISTS} has {there}.txt but no {absent}.txt: add it, or remove both for a split by seed"
        faults.append(Fault("root", message))
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: see `folder.build`.
    """
    faults = Faults()
    root = _root(spec)
    train_names, val_names, how = _parts(spec, root, faults)
    known = Image.registered_extensions()
    files = {path.stem: path for path in sorted((root / "JPEGImages").iterdir()) if path.suffix.lower() in known}
    train, val = (_annotated(root, names, files, faults) for names in (train_names, val_names))
    found = sorted({box.label for item in train + val for box in item.boxes})
    return build(spec, Read(train, val, tuple(found), how), image_size, held, faults)


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


def _root(spec: DataSpec) -> Path:
    assert spec.root is not None, "check() comes first"
    return Path(spec.root)


def _parts(spec: DataSpec, root: Path, faults: Faults) -> tuple[list[str], list[str], str]:
    """The names of the images of train and val, and how they came about."""
    lists = root / _LISTS
    if (lists / "train.txt").is_file():
        train, val = (_names(lists / f"{part}.txt") for part in ("train", "val"))
        for name in sorted(set(train) & set(val)):
            faults.add("image in train and val", f"{_LISTS}/val.txt, {name}")
        return train, [name for name in val if name not in set(train)], _LISTS
    names = sorted(path.stem for path in (root / "Annotations").glob("*.xml"))
    return seeded(names, spec)


def _names(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _annotated(root: Path, names: list[str], files: dict[str, Path], faults: Faults) -> list[Annotated]:
    result = []
    for name in names:
        place = f"Annotations/{name}.xml"
        try:
            tree = parse((root / place).read_bytes())
        except FileNotFoundError:
            faults.add("missing annotation", place)
        except (OSError, ValueError):
            faults.add("unreadable annotation", place)
        else:
            path = files.get(name, root / "JPEGImages" / f"{name}.jpg")
            boxes = _boxes(tree, place, faults)
            stated = stated_in(tree.findtext("size/width"), tree.findtext("size/height"), place, faults)
            result.append(Annotated(path, f"{place}, object", boxes, stated))
    return result


def _boxes(tree: Element, place: str, faults: Faults) -> list[Box]:
    boxes = []
    for number, item in enumerate(tree.iterfind("object"), start=1):
        try:
            x0, y0, x1, y1 = (float(item.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
            label = item.findtext("name", "").strip()
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
