"""YOLO folders: a text file an image, a line an object: class x y width height, centre and size as parts of the image.

`data.yaml` names the classes (`names`, a list or a mapping) and the parts (`train`, `val`: folders or text files that
list images); without it they are classes.txt, or the study's classes in their order, and images/{train,val}, or all of
images/ split by seed. The labels of a/images/b.jpg are a/labels/b.txt; an image without labels shows no object. A
polygon stands for the box around it. Labels are of the upright picture. Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from nas.errors import Fault, SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box, Read, build, check_root, seeded
from nas.yaml12 import load_yaml

_PARTS = ("train", "val")
_SLACK = 1e-3
"""How far a rounded number may lie outside of 0 to 1."""


class _Layout(NamedTuple):
    """The classes by number, and the folders or lists of each part; without `val` the split is by seed."""

    names: dict[int, str]
    train: tuple[Path, ...]
    val: tuple[Path, ...]


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its labels."""
    faults = check_root(spec)
    if faults:
        return faults
    try:
        layout = _layout(spec)
    except SpecError as error:
        return [Fault("root", str(error))]
    if not layout.names:
        message = f"{spec.root} names no classes: add names to data.yaml, a classes.txt, or list data.classes in order"
        faults.append(Fault("root", message))
    if len(set(layout.names.values())) < len(layout.names):
        faults.append(Fault("root", f"{spec.root} names a class twice"))
    if not layout.train:
        faults.append(Fault("root", f"{spec.root} has no images: expected images/train and images/val, or images"))
    absent = [path for path in layout.train + layout.val if not path.exists()]
    faults += [Fault("root", f"there is no {path}, which data.yaml names") for path in absent]
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: see `folder.build`.
    """
    assert spec.root is not None, "check() comes first"
    faults = Faults()
    layout = _layout(spec)
    train, val = _images(layout.train), _images(layout.val)
    if layout.val:
        for path in sorted(set(train) & set(val)):
            faults.add("image in train and val", str(path))
        val = [path for path in val if path not in set(train)]
        how = ", ".join(str(_told(path, Path(spec.root))) for path in layout.train + layout.val)
    else:
        train, val, how = seeded(train, spec)
    parts = [[_annotated(path, Path(spec.root), layout.names, faults) for path in part] for part in (train, val)]
    classes = tuple(layout.names[number] for number in sorted(layout.names))
    return build(spec, Read(parts[0], parts[1], classes, how), image_size, held, faults)


def _layout(spec: DataSpec) -> _Layout:
    """Raises SpecError: data.yaml cannot be read."""
    root = Path(str(spec.root))
    said = _said(root)
    names = _names(root, said)
    if not names and spec.classes:
        names = dict(enumerate(spec.classes))
    train, val = (_places(root, said, part) for part in _PARTS)
    if not train:
        own = tuple(root / "images" / part for part in _PARTS)
        if all(path.is_dir() for path in own):
            train, val = own[:1], own[1:]
        elif (root / "images").is_dir():
            train, val = (root / "images",), ()
    return _Layout(names, train, val)


def _said(root: Path) -> Mapping[str, Any]:
    path = next((p for name in ("data.yaml", "data.yml") if (p := root / name).is_file()), None)
    if path is None:
        return {}
    try:
        data = load_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), [Fault("", f"cannot be read: {error}")]) from None
    if not isinstance(data, Mapping):
        raise SpecError(str(path), [Fault("", "should be a mapping with names, train and val")])
    return data


def _names(root: Path, said: Mapping[str, Any]) -> dict[int, str]:
    names = said.get("names")
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, Mapping):
        try:
            return {int(number): str(name) for number, name in names.items()}
        except (TypeError, ValueError):
            raise SpecError(str(root / "data.yaml"), [Fault("names", "should go from numbers to names")]) from None
    path = root / "classes.txt"
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return {number: line.strip() for number, line in enumerate(lines) if line.strip()}


def _places(root: Path, said: Mapping[str, Any], part: str) -> tuple[Path, ...]:
    """What data.yaml says of a part; folders are moved about, so a path is looked for under the root too."""
    given = said.get(part) or []
    places = []
    for item in given if isinstance(given, list) else [given]:
        bare = str(item).removeprefix("../").removeprefix("./")
        tried = [base / one for base in (root / str(said.get("path") or ""), root) for one in (str(item), bare)]
        places.append(next((path for path in tried if path.exists()), root / bare))
    return tuple(places)


def _images(places: tuple[Path, ...]) -> list[Path]:
    """The images in folders and lists, each once."""
    known = Image.registered_extensions()
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(path for path in place.rglob("*") if path.suffix.lower() in known)
        else:
            lines = place.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            found += [place.parent / line.strip() for line in lines if line.strip()]
    return list(dict.fromkeys(Path(str(path)) for path in found))


def _told(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def _label_file(image: Path) -> Path:
    """The last folder `images` of the path becomes `labels`."""
    parts = list(image.parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")


def _annotated(path: Path, root: Path, names: Mapping[int, str], faults: Faults) -> Annotated:
    """The image with its boxes."""
    labels = _label_file(path)
    place = str(_told(labels, root))
    item = Annotated(path, f"{place}, line", relative=True)
    if not labels.is_file():
        return item
    lines = labels.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parsed = _parsed(line, names)
        if isinstance(parsed, str):
            faults.add(parsed, f"{place}, line {number}: {line.strip()[:60]}")
            continue
        item.boxes.append(Box(number, *parsed, crowd=False))
    return item


def _parsed(line: str, names: Mapping[int, str]) -> tuple[str, tuple[float, float, float, float]] | str:
    """Class and corners as parts of the image, or the kind of the fault."""
    try:
        first, *values = map(float, line.split())
    except ValueError:
        return "label that is not of numbers"
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        return "label without class x y width height"
    if not all(-_SLACK <= value <= 1 + _SLACK for value in values):
        return "label outside of 0 to 1"
    if first not in names:
        return "unknown class"
    name = names[int(first)]
    if len(values) == 4:
        x, y, w, h = values
        return name, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    return name, (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
