"""image_data: a data set that a script gives, such as a pair of torch Datasets, read once into ours."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.errors import Fault, UserError
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks.data import Loader, folder, painted
from nas.tasks.data.annotated import Annotated, Box, Parts, Unseen
from nas.tasks.data.dataset import Dataset, Split
from nas.tasks.data.faults import Faults


class Images(Protocol):
    """The part of a torch Dataset that is used."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


def image_data(
    train: Images, val: Images, classes: Sequence[str], *, masks: bool = False, test: Images | None = None
) -> Loader:
    """A kind of data for the table `data` (boxes) or `masks` (class maps).

    Each item is read once, in its turn, and is an image with its target, as a pair or a mapping with `image`.
    Images are kept letterboxed in memory: 3 bytes a pixel.

    Args:
        train: training images; augmentation belongs to the study (`views`), not here.
        val: validation images.
        classes: names; label k is classes[k].
        masks: targets are class maps, not boxes.
        test: images on which nothing is chosen; they judge the finalists.

    Items:
        image: a PIL image, a uint8 array (H, W, 3) or (H, W), or a tensor (C, H, W), uint8 or floating in [0, 1].
        boxes: (K, 4), x0 y0 x1 y1 in pixels of the image. With boxes, `labels` (K) and optionally `iscrowd` (K).
        mask: integers (H, W), 0 the background, k the class k - 1, 255 void; or the target itself is that map.

    Example:
        >>> import nas
        >>> cells = nas.image_data(train, val, classes=("red", "white"))  # doctest: +SKIP
        >>> nas.register("data", "cells", cells)  # doctest: +SKIP
    """
    names = tuple(classes)

    def check(spec: DataSpec) -> list[Fault]:
        faults = [] if spec.root is None else [Fault("root", f"{spec.kind} data come from a script: leave root out")]
        if spec.channels is not None:
            faults.append(Fault("channels", f"{spec.kind} data come from a script, in RGB"))
        if spec.tile is not None:
            faults.append(Fault("tile", f"{spec.kind} data come from a script, which should cut them itself"))
        unknown = [name for name in spec.classes or () if name not in names]
        if unknown:
            faults.append(Fault("classes", f"unknown {', '.join(unknown)}; there are {', '.join(names)}"))
        return faults

    def paint(item: Annotated, height: int, width: int) -> painted.Painted:
        mask = cast(_Source, item.path).mask
        assert mask is not None
        return painted.Painted(mask, None)

    def load(spec: DataSpec, image_size: int, held: float) -> Dataset:
        named = spec.model_copy(update={"root": f"data {spec.kind}"})
        items = [_items(part, name, names, masks) for part, name in ((train, "train"), (val, "val"))]
        unseen = Unseen("test", _items(test, "test", names, masks), Faults()) if test is not None else None
        parts = Parts(items[0], items[1], "as given by a script", unseen)
        if masks:
            index = dict(enumerate(names, start=1))
            dataset = painted.build(named, parts, index, image_size, math.inf, paint, Faults())
        else:
            dataset = folder.build(named, parts, names, image_size, math.inf, Faults())
        return _without_files(dataset)

    return Loader(check, load)


def _without_files(dataset: Dataset) -> Dataset:
    """The data set, all of whose images are held: there is no file to read one from."""
    read_test = dataset.read_test

    def read(held: float, faults: Faults) -> Split | None:
        assert read_test is not None
        split = read_test(math.inf, faults)
        return replace(split, paths=()) if split is not None else None

    train, val = (replace(split, paths=()) for split in (dataset.train, dataset.val))
    return replace(dataset, train=train, val=val, read_test=read if read_test is not None else None)


_Read = tuple[Image.Image, list[Box], NDArray[np.uint8] | None]
"""An item: its image, and its boxes or its class map."""


class _Source:
    """Takes the place of an image's path: reading it reads the item, and gives `item` its target."""

    def __init__(self, read: Callable[[], _Read], name: str) -> None:
        self.name = name
        self._read = read
        self.item = Annotated(cast(Path, self), f"{name} box")
        self.mask: NDArray[np.uint8] | None = None

    def __str__(self) -> str:
        return self.name

    def read_bytes(self) -> bytes:
        """The image as a file that has the same bytes wherever it is made."""
        image, self.item.boxes, self.mask = self._read()
        file = io.BytesIO()
        image.save(file, "PPM" if image.mode in ("L", "RGB") else "PNG")
        return file.getvalue()


def _items(part: Images, name: str, classes: Sequence[str], masks: bool) -> list[Annotated]:
    if not isinstance(part, Sized):
        raise UserError(f"{name}: a data set needs a length and items by index, not {type(part).__name__}")
    lock = Lock()  # a data set need not be ready for several threads

    def source(i: int) -> _Source:
        return _Source(lambda: _read(part, name, i, classes, masks, lock), f"{name}[{i}]")

    return [source(i).item for i in range(len(part))]


def _read(part: Images, name: str, i: int, classes: Sequence[str], masks: bool, lock: Lock) -> _Read:
    try:
        with lock:
            given = part[i]
        image, target = _pair(given)
        picture = _picture(image)
        return (picture, [], _mask(target, picture)) if masks else (picture, _boxes(target, classes), None)
    except Exception as error:  # of the data set itself, or because of what it returned
        what = str(error) if isinstance(error, _Misfit) else f"{type(error).__name__}: {error}"
        raise UserError(f"{name}[{i}]: {what}") from error


class _Misfit(Exception):
    """An item is not of the form that `image_data` asks for."""


def _pair(given: Any) -> tuple[Any, Any]:
    if isinstance(given, Mapping) and "image" in given:
        return given["image"], given
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    raise _Misfit(f"an item should be (image, target) or a mapping with image, not {type(given).__name__}")


def _picture(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    tensor = hasattr(image, "numpy")
    pixels = np.asarray(image.detach().cpu().numpy() if tensor else image)
    if tensor and pixels.ndim == 3:
        pixels = pixels.transpose(1, 2, 0)
    if np.issubdtype(pixels.dtype, np.floating) and tensor:
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise _Misfit("a floating image should lie in [0, 1]: leave normalisation to the model")
        pixels = (pixels * 255).round().astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        form = "(3, H, W), uint8 or floating" if tensor else "(H, W, 3) of uint8"
        raise _Misfit(f"an image should be {form}, not {pixels.dtype} of shape {tuple(np.shape(image))}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _boxes(target: Any, classes: Sequence[str]) -> list[Box]:
    if not isinstance(target, Mapping) or not {"boxes", "labels"} <= target.keys():
        raise _Misfit("its target should be a mapping with boxes and labels")
    form = getattr(target["boxes"], "format", None)  # of torchvision's BoundingBoxes
    if form is not None and getattr(form, "name", form) != "XYXY":
        raise _Misfit(f"boxes should be x0 y0 x1 y1 (XYXY), not {getattr(form, 'name', form)}")
    boxes, labels = np.asarray(target["boxes"], np.float64).reshape(-1, 4), np.asarray(target["labels"]).reshape(-1)
    crowd = np.asarray(target.get("iscrowd", np.zeros(len(labels)))).reshape(-1).astype(bool)
    if not len(boxes) == len(labels) == len(crowd):
        raise _Misfit(f"{len(boxes)} boxes, {len(labels)} labels and {len(crowd)} crowd flags")
    if not np.isfinite(boxes).all():
        raise _Misfit("a box is not finite")
    wrong = [label for label in labels.tolist() if label not in range(len(classes))]
    if wrong:
        raise _Misfit(f"label {wrong[0]} stands for no class: they go from 0 to {len(classes) - 1}")
    rows = zip(boxes.tolist(), labels.tolist(), crowd.tolist(), strict=True)
    return [Box(k, classes[int(label)], (x0, y0, x1, y1), c) for k, ((x0, y0, x1, y1), label, c) in enumerate(rows)]


def _mask(target: Any, image: Image.Image) -> NDArray[np.uint8]:
    if isinstance(target, Mapping):
        if "mask" not in target:
            raise _Misfit("its target should have mask")
        target = target["mask"]
    mask = np.asarray(target)
    mask = mask[0] if mask.ndim == 3 and len(mask) == 1 else mask
    if mask.shape != (image.height, image.width):
        raise _Misfit(f"a mask of shape {mask.shape} does not fit an image of {image.height} x {image.width} pixels")
    if not np.issubdtype(mask.dtype, np.integer) or mask.min() < 0 or mask.max() > VOID:
        raise _Misfit(f"a mask should hold whole numbers from 0 to {VOID}")
    return mask.astype(np.uint8)
