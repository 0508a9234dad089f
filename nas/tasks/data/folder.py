"""From annotated files to a Dataset: decode, letterbox, sort out faulty boxes. Shared by all kinds of folders."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset, Images, Split, digest_of
from nas.tasks.data.faults import OTHER_SIZE, Faults
from nas.tasks.data.letterbox import Decoded, decode, threads
from nas.tasks.data.occurrence import with_close
from nas.tasks.data.orientation import Stated
from nas.tasks.data.picture import UnusableImage

T = TypeVar("T")

Treated = Counter[str]
"""How many images were treated in a way that is worth knowing and no fault."""

_SLACK = 1.0
"""Pixels that a box may reach beyond the image: rounding, or counting from 0 where others count from 1."""


class Box(NamedTuple):
    """An object.

    Attributes:
        number: how its file calls it.
        label: its class.
        corners: x0 y0 x1 y1 in pixels of the image, or parts of its sides, see `Annotated`.
        crowd: a region that is neither to be found nor counted as an error.
        mask: its outline as its format writes it.
    """

    number: int | str
    label: str
    corners: tuple[float, float, float, float]
    crowd: bool
    mask: Any = None


@dataclass
class Annotated:
    """An image and what its annotation says.

    Attributes:
        path: the image file.
        place: names a box when its number is put behind.
        boxes: its objects.
        stated: the size that the annotation states, if it does.
        relative: the corners of the boxes are parts of the image's sides, not pixels.
    """

    path: Path
    place: str
    boxes: list[Box] = field(default_factory=list)
    stated: Stated | None = None
    relative: bool = False


class Read(NamedTuple):
    """Both parts of a folder, the classes it names, and how the parts came about."""

    train: list[Annotated]
    val: list[Annotated]
    classes: tuple[str, ...]
    split: str


def check_root(spec: DataSpec) -> list[Fault]:
    """Is there a folder?"""
    if spec.root is None:
        return [Fault("root", f"is missing: name the folder of the {spec.kind} data")]
    if Path(spec.root).is_file() and not (spec.kind == "yolo" and is_data_yaml(spec.root)):
        return [Fault("root", f"{spec.root} is a file: name the folder that holds it and the images")]
    if not Path(spec.root).exists():
        return [Fault("root", f"there is no folder {spec.root}")]
    return []


def is_data_yaml(root: str | None) -> bool:
    """The root is not a folder, but the YAML file that describes a YOLO data set."""
    path = Path(str(root))
    return path.suffix.lower() in (".yaml", ".yml") and path.is_file()


def seeded(items: Sequence[T], spec: DataSpec) -> tuple[list[T], list[T], str]:
    """`items` in train and val by the seed, and how they came apart."""
    count = round(len(items) * spec.val_fraction)
    chosen = set(np.random.default_rng(spec.seed).permutation(len(items))[:count].tolist())
    percent = 100 * spec.val_fraction
    return (
        [item for i, item in enumerate(items) if i not in chosen],
        [item for i, item in enumerate(items) if i in chosen],
        f"seeded {100 - percent:g}/{percent:g}, seed {spec.seed}",
    )


def build(spec: DataSpec, read: Read, image_size: int, held: float, faults: Faults) -> Dataset:
    """Decode all images once, so that a faulty one is found now; keep them if they take no more than `held` bytes.

    Raises:
        UserError: no images or objects remain in a part, or there are faults under `strict`.
    """
    classes = spec.classes or read.classes
    hold = 3 * image_size**2 * (len(read.train) + len(read.val)) <= held
    parts, treated = [], Treated()
    for items, name in ((read.train, "train"), (read.val, "val")):
        before = faults.counts.get(OTHER_SIZE, 0)
        parts.append(_split(items, classes, image_size, hold, treated, faults))
        refuse_other_sizes(spec, name, len(items), faults, before)
    (train, train_hashes), (val, val_hashes) = parts
    note_treated(treated, faults)
    if spec.strict and faults.total:
        raise UserError(f"{spec.root}: {faults.total} faults, refused because of strict\n{faults.summary()}")
    labels = {box.label for item in (*read.train, *read.val) for box in item.boxes}
    occurring = tuple(name for name in read.classes if name in labels)
    for part, name in ((train, "train"), (val, "val")):
        if not np.any(~part.crowd):
            what = "objects" if len(part) else "images"
            of = f" of the classes {with_close(spec.classes, occurring)}" if spec.classes and len(part) else ""
            raise UserError(f"{spec.root}: no {what}{of} in {name}\n{faults.summary()}".rstrip())
    digest = digest_of((train, val), classes, train_hashes + val_hashes)
    return Dataset(train, val, classes, faults, digest, read.split, occurring)


def _split(
    annotated: Sequence[Annotated], classes: Sequence[str], size: int, hold: bool, treated: Treated, faults: Faults
) -> tuple[Split, list[bytes]]:
    """One part without its faulty images and boxes, and a hash of each file."""
    label_of = {name: label for label, name in enumerate(classes)}
    images: Images | None = np.empty((len(annotated), size, size, 3), np.uint8) if hold else None
    kept: list[Annotated] = []
    hashes: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    boxes: list[NDArray[np.float32]] = []
    owned: list[list[Box]] = []
    with threads() as pool:
        for item, read in zip(
            annotated, pool.map(lambda item: read_image(item.path, size, hold, item.stated), annotated), strict=True
        ):
            if isinstance(read, Fault):
                faults.add(read.message, read.path)
                continue
            decoded, content = read
            treated.update(decoded.notes)
            if images is not None:
                images[len(kept)] = decoded.pixels
            corners, sound = _sound(_in_pixels(item, label_of, decoded), item.place, decoded, faults)
            kept.append(item)
            hashes.append(content)
            sizes.append((decoded.height, decoded.width))
            boxes.append(corners)
            owned.append(sound)
    flat = [box for own in owned for box in own]
    split = Split(
        images=images[: len(kept)] if images is not None else None,
        paths=tuple(str(item.path) for item in kept),
        names=tuple(item.path.name for item in kept),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        boxes=np.concatenate([np.empty((0, 4), np.float32), *boxes]),
        labels=np.array([label_of[box.label] for box in flat], np.int64),
        crowd=np.array([box.crowd for box in flat], np.bool_),
        first=np.cumsum([0, *map(len, owned)], dtype=np.int64),
        image_size=size,
    )
    return split, hashes


def note_treated(treated: Treated, faults: Faults) -> None:
    """Note how many images were treated in some way."""
    for what, count in treated.items():
        faults.note(f"{count} image{'s' if count > 1 else ''} {what}")


def refuse_other_sizes(spec: DataSpec, part: str, images: int, faults: Faults, before: int) -> None:
    """Refuse a part all images of which have another size than stated; `before` it there were so many of them.

    Raises:
        UserError: it is so.
    """
    if images and faults.counts.get(OTHER_SIZE, 0) - before == images:
        raise UserError(
            f"{spec.root}: no image in {part} has the size that its annotation states: were they resized after they "
            f"were annotated?\n{faults.summary()}"
        )


def read_image(path: Path, size: int, hold: bool, stated: Stated | None = None) -> tuple[Decoded, bytes] | Fault:
    """The image, without its pixels unless `hold`, and a hash of its file and of what was done to its picture."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Fault(str(path), "missing image")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return Fault(f"{path}: {getattr(error, 'strerror', error)}", UnusableImage.kind)
    try:
        decoded = decode(data, size, stated)
    except UnusableImage as error:
        return Fault(f"{path}: {error}", error.kind)
    if not hold:
        decoded = decoded._replace(pixels=decoded.pixels[:0])
    content = hashlib.sha256(data)
    for note in decoded.notes:  # another treatment of the same file gives other pixels
        content.update(note.encode())
    return decoded, content.digest()


def _in_pixels(item: Annotated, labels: Container[str], image: Decoded) -> list[Box]:
    """The boxes of the classes that are asked for, in pixels of the image."""
    boxes = [box for box in item.boxes if box.label in labels]
    if not item.relative:
        return boxes
    width, height = image.width, image.height
    return [
        box._replace(corners=(x0 * width, y0 * height, x1 * width, y1 * height))
        for box in boxes
        for x0, y0, x1, y1 in (box.corners,)
    ]


def _sound(boxes: list[Box], place: str, image: Decoded, faults: Faults) -> tuple[NDArray[np.float32], list[Box]]:
    """The usable boxes, clipped and in letterboxed pixels [K, 4], and whose they are."""
    corners: list[tuple[float, float, float, float]] = []
    sound: list[Box] = []
    seen: set[tuple[object, ...]] = set()
    for box in boxes:
        x0, y0, x1, y1 = box.corners
        kept = (max(x0, 0.0), max(y0, 0.0), min(x1, float(image.width)), min(y1, float(image.height)))
        width, height = kept[2] - kept[0], kept[3] - kept[1]
        if x1 <= x0 or y1 <= y0:
            kind = "degenerate box"
        elif width <= 0 or height <= 0:
            kind = "box outside the image"
        elif min(width, height) * image.scale < 1:
            kind = "box under one pixel"
        elif (same := (box.label, box.corners, box.crowd)) in seen:
            kind = "duplicate box"
        else:
            seen.add(same)
            corners.append(kept)
            sound.append(box)
            beyond = max(abs(a - b) for a, b in zip(kept, box.corners, strict=True))
            kind = "box clipped" if beyond > _SLACK else ""
        if kind:
            faults.add(kind, f"{place} {box.number} ({box.label})")
    return (np.array(corners, np.float64).reshape(-1, 4) * image.scale).astype(np.float32), sound
