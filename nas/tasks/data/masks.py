"""Mask folders: images/{train,val} and masks/{train,val}, where a mask is a PNG of class indices named as its image.

Another format that keeps every value does as well; JPEG does not, and masks that went through it are refused. A mask is
as large as its image, upright or as stored, see `orientation`.

Grey or palette: 0 is the background, 255 void. classes.txt may name the classes, a line each from index 1, or from 0
if its first line is "background"; without it the classes listed in the study stand for the indices from 1, and without
those every index is a class of its own. Objects are connected pixels of one class.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data.blends import Blends
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, check_root
from nas.tasks.data.orientation import Stated
from nas.tasks.data.painted import Folder, Painted, build
from nas.tasks.data.picture import open_head
from nas.tasks.data.sizes import stated_by_mask

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
    if missing:
        faults.append(Fault("root", f"{root} is no folder of masks, it lacks {', '.join(missing)}"))
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: see `painted.build`.
    """
    root = Path(str(spec.root))
    faults = Faults()
    train, val = (_images(root, part, faults) for part in _PARTS)
    names = _names(root, spec)
    folder = Folder(train, val, names, "images/train and images/val")
    blends = Blends(frozenset(names or ()))

    def paint(item: Annotated, height: int, width: int) -> Painted | Fault:
        indices = _indices(root / item.place)
        if isinstance(indices, str):
            return Fault(item.place, indices)
        blends.add(item.place, indices)
        return Painted(indices, None)

    def stated(item: Annotated) -> Stated | None:
        return stated_by_mask(root / item.place)

    return build(spec, folder, image_size, held, paint, faults, stated, blends.fault)


def _images(root: Path, part: str, faults: Faults) -> list[Annotated]:
    """The images of a part; the place of each is its mask."""
    known = Image.registered_extensions()
    paths = sorted(path for path in (root / "images" / part).iterdir() if path.suffix.lower() in known)
    stems = {path.stem for path in paths}
    masks: dict[str, str] = {}
    for path in sorted((root / "masks" / part).iterdir(), key=lambda path: (path.suffix.lower() != ".png", path)):
        if path.suffix.lower() in known:
            masks.setdefault(path.stem, path.name)
    for stem in sorted(masks.keys() - stems):
        faults.add("mask without an image", f"masks/{part}/{masks[stem]}")
    return [Annotated(path, f"masks/{part}/{masks.get(path.stem, f'{path.stem}.png')}") for path in paths]


def _names(root: Path, spec: DataSpec) -> dict[int, str] | None:
    path = root / "classes.txt"
    if not path.is_file():
        return dict(enumerate(spec.classes, start=1)) if spec.classes else None
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
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
