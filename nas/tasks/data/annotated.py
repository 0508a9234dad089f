"""Annotated images before they are decoded, and the folder that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data import layouts
from nas.tasks.data.faults import Faults
from nas.tasks.data.layouts import refusal
from nas.tasks.data.picture import Stated

T = TypeVar("T")


class Box(NamedTuple):
    """An object.

    Attributes:
        number: its number or id in its file.
        label: its class.
        corners: x0 y0 x1 y1 in pixels of the image, or as shares of its sides, see `Annotated`.
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
    """An image and its annotation.

    Attributes:
        path: the image file.
        place: names a box in reports, with its number appended.
        boxes: its objects.
        stated: the size that the annotation states, if it does.
        relative: the corners of the boxes are shares of the image's sides, not pixels.
    """

    path: Path
    place: str
    boxes: list[Box] = field(default_factory=list)
    stated: Stated | None = None
    relative: bool = False


class Unseen(NamedTuple):
    """Images for tests, before they are decoded.

    Attributes:
        place: where they come from, for the user: a file, a folder.
        items: the images.
        faults: of their annotations; they count once the images are read.
    """

    place: str
    items: Sequence[Annotated]
    faults: Faults


class Parts(NamedTuple):
    """Training and validation, how they were separated, and images for tests, where there are any."""

    train: Sequence[Annotated]
    val: Sequence[Annotated]
    split: str
    test: Unseen | None = None


def check_root(spec: DataSpec) -> list[Fault]:
    """A fault if there is no folder."""
    if spec.root is None:
        return [Fault("root", f"is missing: name the folder of the {spec.kind} data")]
    if Path(spec.root).is_file() and not (spec.kind == "yolo" and is_data_yaml(spec.root)):
        return [Fault("root", f"{spec.root} is a file: name the folder that holds it and the images")]
    if not Path(spec.root).exists():
        return [Fault("root", f"there is no folder {spec.root}")]
    return []


def is_data_yaml(root: str | None) -> bool:
    """Whether the root is not a folder, but the YAML file that describes a YOLO data set."""
    path = Path(str(root))
    return path.suffix.lower() in (".yaml", ".yml") and path.is_file()


def check_layout(spec: DataSpec, kind: str) -> list[Fault]:
    """A fault if there is no folder, or if it has no layout of `kind`; no file is read."""
    faults = check_root(spec)
    if not faults and layouts.find(Path(str(spec.root)), kind) is None:
        faults.append(Fault("root", refusal(str(spec.root), [kind])))
    return faults


def find_layout(spec: DataSpec, kind: str, faults: Faults) -> layouts.Match:
    """The layout of a folder that passed `check_layout`; notes what is not used."""
    found = layouts.find(Path(str(spec.root)), kind)
    assert found is not None, "check_layout() comes first"
    if found.test_missing:
        faults.note(found.test_note)
    return found


def seeded(items: Sequence[T], spec: DataSpec) -> tuple[list[T], list[T], str]:
    """`items` in train and val by the seed, and a sentence on the split."""
    count = round(len(items) * spec.val_fraction)
    chosen = set(np.random.default_rng(spec.seed).permutation(len(items))[:count].tolist())
    percent = 100 * spec.val_fraction
    return (
        [item for i, item in enumerate(items) if i not in chosen],
        [item for i, item in enumerate(items) if i in chosen],
        f"seeded {100 - percent:g}/{percent:g}, seed {spec.seed}",
    )


def read_stated(width: Any, height: Any, place: str, faults: Faults) -> Stated | None:
    """Width and height as an annotation writes them; None where they are left out, empty or 0, as labelImg writes."""
    if width in (None, "") and height in (None, ""):
        return None
    try:
        sides = float(width), float(height)
        stated = Stated(int(sides[0]), int(sides[1]))
        if sides != stated[:2] or min(sides) < 0:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        faults.add("unreadable size", f"{place}: {width} x {height}")
        return None
    return stated if min(sides) > 0 else None
