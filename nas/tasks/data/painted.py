"""From images with class maps to a Dataset: letterbox both, give every class its label, sort out what is faulty.

Label 0 is the background, a class like others when a model is judged; 255 is void: neither trained on nor judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault, UserError
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset, Split, digest_of
from nas.tasks.data.faults import OTHER_SIZE, Faults
from nas.tasks.data.folder import Annotated, Treated, note_treated, read_image, refuse_other_sizes
from nas.tasks.data.letterbox import Decoded, letterbox_map, threads
from nas.tasks.data.occurrence import with_close
from nas.tasks.data.orientation import Stated
from nas.tasks.data.territories import components, territories


class Painted(NamedTuple):
    """The class map of an image in its own pixels: `indices` uint8 [H, W] as the data number their classes, `objects`
    int32 [H, W] from 1 where single objects are known, `faults` what is missing from it.
    """

    indices: NDArray[np.uint8]
    objects: NDArray[np.int32] | None
    faults: tuple[Fault, ...] = ()


Paint = Callable[[Annotated, int, int], Painted | Fault]
"""(image, its height and width) -> its class map, or why it has none."""


class Folder(NamedTuple):
    """Both parts of a folder and how they came about. `names` are the classes by index; None: whatever occurs."""

    train: Sequence[Annotated]
    val: Sequence[Annotated]
    names: Mapping[int, str] | None
    split: str


class _Part(NamedTuple):
    """One part as it was read: maps [N, S, S] of the data's indices, and of objects if they are known."""

    split: Split
    hashes: list[bytes]
    places: list[str]
    objects: list[NDArray[np.int32] | None]


def stated_size(item: Annotated) -> Stated | None:
    """The size that an image's annotation states."""
    return item.stated


def build(
    spec: DataSpec,
    folder: Folder,
    image_size: int,
    held: float,
    paint: Paint,
    faults: Faults,
    stated: Callable[[Annotated], Stated | None] = stated_size,
    doubt: Callable[[], str | None] = lambda: None,
) -> Dataset:
    """Read all images and class maps; keep the images if they take no more than `held` bytes, the maps always.

    A class that the study does not list is background; an index without a name is void, and a fault.

    Args:
        spec: what was asked for.
        folder: both parts.
        image_size: S.
        held: the most bytes of images to keep.
        paint: gives the class map of an image.
        faults: takes what is left out.
        stated: gives the size by which an image is judged and turned.
        doubt: is asked once all is read, why the class maps cannot be meant so.

    Raises:
        UserError: no images or objects remain in a part, there is a doubt, or there are faults under `strict`.
    """
    hold = 3 * image_size**2 * (len(folder.train) + len(folder.val)) <= held
    parts, treated = [], Treated()
    for items, name in ((folder.train, "train"), (folder.val, "val")):
        before = faults.counts.get(OTHER_SIZE, 0)
        parts.append(_read(items, image_size, hold, paint, stated, treated, faults))
        refuse_other_sizes(spec, name, len(items), faults, before)
    train, val = parts
    note_treated(treated, faults)
    doubted = doubt()
    if doubted is not None:
        raise UserError(f"{spec.root}: {doubted}")
    present = {int(k) for part in (train, val) for k in np.unique(_masks(part.split))} - {0, VOID}
    names = folder.names if folder.names is not None else {k: f"class {k}" for k in sorted(present)}
    classes = spec.classes or tuple(dict.fromkeys(names[k] for k in sorted(names)))
    _name(train, names, faults)
    _name(val, names, faults)
    if spec.strict and faults.total:
        raise UserError(f"{spec.root}: {faults.total} faults, refused because of strict\n{faults.summary()}")
    label_of = {name: label for label, name in enumerate(classes, start=1)}
    table = np.zeros(256, np.uint8)
    table[VOID] = VOID
    for k in present:
        table[k] = label_of.get(names[k], 0) if k in names else VOID
    splits = [_labelled(train, table, judged=False), _labelled(val, table, judged=True)]
    occurring = tuple(dict.fromkeys(names[k] for k in sorted(present) if k in names))
    for part, name, given in zip(splits, ("train", "val"), (folder.train, folder.val), strict=True):
        if not np.any((_masks(part) != 0) & (_masks(part) != VOID)):
            what = _nothing(part, spec, name, occurring, bool(present), len(given))
            raise UserError(f"{spec.root}: {what}\n{faults.summary()}".rstrip())
    digest = digest_of(splits, classes, train.hashes + val.hashes)
    return Dataset(splits[0], splits[1], classes, faults, digest, folder.split, occurring)


def _nothing(part: Split, spec: DataSpec, name: str, occurring: tuple[str, ...], indexed: bool, given: int) -> str:
    if not len(part):
        return f"none of the {given} images in {name} can be used" if given else f"no images in {name}"
    if not indexed:
        return "the masks have no index but 0, the background, and 255, which is void: write 1 for the first class"
    of = f" of the classes {with_close(spec.classes, occurring)}" if spec.classes else ""
    return f"no objects{of} in {name}"


def _read(
    items: Sequence[Annotated],
    size: int,
    hold: bool,
    paint: Paint,
    stated: Callable[[Annotated], Stated | None],
    treated: Treated,
    faults: Faults,
) -> _Part:
    images = np.empty((len(items), size, size, 3), np.uint8) if hold else None
    masks = np.empty((len(items), size, size), np.uint8)
    kept: list[Annotated] = []
    hashes: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    objects: list[NDArray[np.int32] | None] = []

    def one(item: Annotated) -> tuple[Decoded, bytes, Painted] | Fault:
        found = read_image(item.path, size, hold, stated(item))
        if isinstance(found, Fault):
            return found
        decoded, content = found
        painted = paint(item, decoded.height, decoded.width)
        if isinstance(painted, Fault):
            return painted
        indices = letterbox_map(painted.indices, size, VOID)
        own = letterbox_map(painted.objects, size, 0) if painted.objects is not None else None
        return decoded, content, painted._replace(indices=indices, objects=own)

    with threads() as pool:
        for item, read in zip(items, pool.map(one, items), strict=True):
            if isinstance(read, Fault):
                faults.add(read.message, read.path)
                continue
            decoded, content, painted = read
            treated.update(decoded.notes)
            for fault in painted.faults:
                faults.add(fault.message, fault.path)
            if images is not None:
                images[len(kept)] = decoded.pixels
            masks[len(kept)] = painted.indices
            objects.append(painted.objects)
            kept.append(item)
            hashes.append(content)
            sizes.append((decoded.height, decoded.width))
    split = Split(
        images=images[: len(kept)] if images is not None else None,
        paths=tuple(str(item.path) for item in kept),
        names=tuple(item.path.name for item in kept),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        boxes=np.empty((0, 4), np.float32),
        labels=np.empty(0, np.int64),
        crowd=np.empty(0, np.bool_),
        first=np.zeros(len(kept) + 1, np.int64),
        image_size=size,
        masks=masks[: len(kept)],
    )
    return _Part(split, hashes, [item.place for item in kept], objects)


def _masks(split: Split) -> NDArray[np.uint8]:
    assert split.masks is not None
    return split.masks


def _name(part: _Part, names: Mapping[int, str], faults: Faults) -> None:
    """Tell of indices that stand for no class."""
    for place, mask in zip(part.places, _masks(part.split), strict=True):
        for k in np.unique(mask):
            if k not in (0, VOID) and int(k) not in names:
                faults.add("index without a class", f"{place}: {k}")


def _labelled(part: _Part, table: NDArray[np.uint8], judged: bool) -> Split:
    """The part with labels in place of indices, and territories if it is to be judged by."""
    masks = table[_masks(part.split)]
    if not judged:
        return replace(part.split, masks=masks)
    own = np.zeros(masks.shape, np.uint8)
    for i, (mask, objects) in enumerate(zip(masks, part.objects, strict=True)):
        thing = (mask != 0) & (mask != VOID)
        own[i] = territories(np.where(thing, objects, 0) if objects is not None else components(mask, VOID))
    return replace(part.split, masks=masks, territories=own)
