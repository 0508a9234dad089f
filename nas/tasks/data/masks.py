"""Mask folders: images/{train,val} and masks/{train,val}, where a mask is a PNG of class indices named as its image.

images/test and masks/test are images for tests.

Other lossless formats do as well; JPEG does not, and masks that were saved as JPEG are refused. A mask is as large as
its image, upright or as stored, see `picture`.

Grey or palette: 0 is the background, 255 void. classes.txt may name the classes, a line each from index 1, or from 0 if
its first line is "background". Without it the classes that the study lists have the indices from 1, and without those
every index is a class. Objects are connected pixels of one class.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Parts, Unseen, check_root
from nas.tasks.data.blends import Blends
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.letterbox import threads
from nas.tasks.data.named_files import is_image, read_lines
from nas.tasks.data.painted import Painted, build
from nas.tasks.data.picture import Stated, UnusableImage, open_head
from nas.tasks.data.unseen import find

_PARTS = ("train", "val")
_BACKGROUND = "background"
_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with the folder, without reading its files."""
    faults = check_root(spec)
    if faults:
        return faults
    root = Path(str(spec.root))
    missing = [f"{what}/{part}" for what in ("images", "masks") for part in _PARTS if not (root / what / part).is_dir()]
    return [Fault("root", f"{root} is no folder of masks, it lacks {', '.join(missing)}")] if missing else []


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder. Raises UserError, see `painted.build`."""
    root = Path(str(spec.root))
    faults = Faults()
    train, val = (_images(root, part, faults) for part in _PARTS)
    names = _class_names(root, spec)
    blends = Blends(frozenset(names or ()))

    def paint(item: Annotated, height: int, width: int) -> Painted | Fault:
        indices = _indices(root / item.place)
        if isinstance(indices, str):
            return Fault(item.place, indices)
        blends.add(item.place, indices)
        return Painted(indices, None)

    parts = Parts(train, val, "images/train and images/val", _test(root, faults))
    return build(spec, parts, names, image_size, held, paint, faults, blends.doubt)


def _test(root: Path, faults: Faults) -> Unseen | None:
    """The images for tests, if they have masks."""
    there = [place for place in ("images/test", "masks/test") if (root / place).is_dir()]
    if len(there) == 1:
        faults.note(f"{there[0]} is not used: there is no {'masks' if there[0] == 'images/test' else 'images'}/test")
    if len(there) < 2:
        return None

    def has_mask(item: Annotated) -> bool:
        return item.stated is not None

    return find(there[0], lambda own: _images(root, "test", own), faults, annotated=has_mask)


def _images(root: Path, part: str, faults: Faults) -> list[Annotated]:
    """The images of a part; the place of each is its mask."""
    paths = sorted(filter(is_image, (root / "images" / part).iterdir()))
    stems = {path.stem for path in paths}
    found: dict[str, str] = {}
    for path in sorted((root / "masks" / part).iterdir(), key=lambda path: (path.suffix.lower() != ".png", path)):
        if is_image(path):
            found.setdefault(path.stem, path.name)
    for stem in sorted(found.keys() - stems):
        faults.add("mask without an image", f"masks/{part}/{found[stem]}")
    masks = [f"masks/{part}/{found.get(path.stem, f'{path.stem}.png')}" for path in paths]
    with threads() as pool:
        sizes = pool.map(lambda mask: _stated(root / mask), masks)
        return [Annotated(path, mask, stated=size) for path, mask, size in zip(paths, masks, sizes, strict=True)]


def _stated(mask: Path) -> Stated | None:
    """The size of a mask; None where it is missing or cannot be read, which is found when it is painted."""
    try:
        with open_head(mask) as image:
            return Stated(*image.size, by="mask")
    except (FileNotFoundError, UnusableImage):
        return None


def _class_names(root: Path, spec: DataSpec) -> dict[int, str] | None:
    path = root / "classes.txt"
    if not path.is_file():
        return dict(enumerate(spec.classes, start=1)) if spec.classes else None
    lines = read_lines(path)
    first = int(not lines or lines[0].lower() != _BACKGROUND)
    return {k: name for k, name in enumerate(lines, start=first) if k and name}


def _indices(path: Path) -> NDArray[np.uint8] | str:
    """The class indices [H, W] of a mask, or the kind of its fault."""
    try:
        with open_head(path) as image:
            if image.format in _LOSSY:
                return "mask saved with loss, which changes its indices (save masks as PNG)"
            if image.mode == "F":
                return "mask of fractions, not of class indices"
            if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
                return "mask of colours, not of class indices"
            values = np.asarray(image).astype(np.int64)
    except FileNotFoundError:
        return "missing mask"
    except Exception:  # broken bytes make Pillow fail in many ways
        return "unreadable mask"
    if values.min() < 0 or values.max() > 255:
        return "mask with an index outside of 0 to 255"
    return values.astype(np.uint8)
