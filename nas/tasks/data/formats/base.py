"""Format: what a reader of an annotation tool's label files has to say. All else is shared: see `reading`."""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from nas.tasks.data.layouts import TEST, TRAIN, VAL
from nas.tasks.data.outlines import Corners

UNREADABLE = (AttributeError, KeyError, IndexError, OSError, OverflowError, RecursionError, TypeError, ValueError)
"""What a reader may raise for content that is not of its format."""

_PARTS = {name: part for part, names in (("train", TRAIN), ("val", VAL), ("test", TEST)) for name in names}
_HEAD = 65536

OF_ONE_IMAGE = 2**26
"""Bytes that a label file of one image does not reach. A larger JSON file holds a whole data set, and takes seconds."""


class Found(NamedTuple):
    """An object of an image.

    Attributes:
        label: its class.
        corners: x0 y0 x1 y1 of the upright box around it.
        outline: COCO's polygons, or one of `nas.tasks.data.outlines`; None: only its box is known.
        crowd: a region that is neither to be found nor counted as an error.
        around: what it is in truth, in the plural, where the box is less than was drawn: "rotated boxes".
    """

    label: Any
    corners: Corners
    outline: Any = None
    crowd: bool = False
    around: str = ""


class NoBox(Exception):
    """An object of which no box can be made, such as keypoints; the message is the kind of its fault."""


@dataclass
class Record:
    """An image as a label file describes it.

    Attributes:
        image: its file as it is written.
        bases: folders that this name is relative to, the usual one first.
        objects: its objects, to be read by `Format.shape`.
        width, height: its size as it is written, if it is.
        relative: corners and outlines are shares of the image's sides, not pixels.
        part: the part that it is given to, as it is written: train, Validation, ...
    """

    image: str
    bases: tuple[Path, ...]
    objects: Sequence[Any]
    width: Any = None
    height: Any = None
    relative: bool = False
    part: str = ""


class Format(ABC):
    """The label files of a tool. Methods may raise any of UNREADABLE: the file, image or object is then a fault.

    Attributes:
        title: its name for the user.
        wanted: the files that a folder needs, in a sentence.
        what: names an object in reports, before its number.
        outlined: whether it can have outlines, and so give class maps.
    """

    title: ClassVar[str]
    wanted: ClassVar[str]
    what: ClassVar[str] = "object"
    outlined: ClassVar[bool] = True

    @abstractmethod
    def files(self, root: Path) -> list[Path]:
        """The label files of a folder, in order; none: it has another format."""

    @abstractmethod
    def images(self, file: Path) -> Iterable[tuple[str, Any]]:
        """The images of a label file: a name for reports, empty where the file's own is enough; and what is there."""

    @abstractmethod
    def record(self, image: Any, file: Path, root: Path) -> Record | None:
        """An image that `images` returned for a label file under `root`; None: nobody has annotated it yet."""

    @abstractmethod
    def shape(self, item: Any, record: Record) -> Found | None:
        """One of `record.objects`; None: it says nothing of a place in the image. Raises NoBox."""


class JsonAnImage(Format):
    """Label files in JSON, one an image, in any folder.

    Attributes:
        keys: what each of them has. Others may lie among them: the first few show whose folder it is.
    """

    keys: ClassVar[tuple[str, ...]] = ()

    def files(self, root: Path) -> list[Path]:
        files = list(below(root, ".json"))
        return files if any(has_keys(path, *self.keys, limit=OF_ONE_IMAGE) for path in files[:3]) else []

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        yield "", read_json(file)


def part_name(written: str) -> str:
    """train, val or test, or "" for any other name."""
    return _PARTS.get(written.strip().casefold(), "")


def folder_part(file: Path, root: Path) -> str:
    """The part that a folder between the root and a file is named by."""
    return next((part for name in file.relative_to(root).parts[:-1] if (part := part_name(name))), "")


def listed(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with a suffix."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == suffix and path.is_file())


def below(root: Path, suffix: str) -> Iterator[Path]:
    """The files with a suffix in a folder and in those within it, but for hidden ones."""
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(name for name in inside if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith(suffix))


def head(file: Path) -> bytes:
    """The first bytes of a file; none if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError:
        return b""


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises OSError, ValueError and RecursionError."""
    return json.loads(file.read_bytes())


def has_keys(file: Path, *keys: str, limit: float = math.inf) -> bool:
    """Whether a JSON file of at most `limit` bytes holds a mapping with these keys."""
    try:
        if file.stat().st_size > limit:
            return False
        content = read_json(file)
    except UNREADABLE:
        return False
    return isinstance(content, dict) and all(key in content for key in keys)
