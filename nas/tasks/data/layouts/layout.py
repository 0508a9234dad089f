"""Layout: a form in which annotated images lie in a folder, as data, and whether a folder has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nas.tasks.data.layouts.tree import Tree

TRAIN = ("train", "train2017", "training")
VAL = ("val", "val2017", "valid", "validation", "validate")
TEST = ("test", "test2017", "testing")
HERE = ("*.jpg", "*.jpeg", "*.png", "*.bmp", "*.tif", "*.tiff", "*.webp")
"""Patterns of images in the root itself."""


@dataclass(frozen=True)
class Layout:
    """What a folder of one kind of data may hold, and where.

    Each field of patterns is one piece: the first pattern that is there counts. A pattern is relative to the folder, in
    any case; `{}` stands for the name of a part. `a/b/` is a folder, `a/*.xml` the folder `a` if it has such a file,
    `*.xml` the root if it has one, and everything else a file.

    Attributes:
        kind: the kind of data.
        name: what the user reads.
        annotations: a COCO file, a folder of XML files, or a folder of label or mask files.
        images: the folder of images.
        listed: a text file that lists the images.
        names: a text file with the names of the classes.
        marks: a file that tells this layout from others.
        unless: files and folders that this layout does not have.
        val: names that the part for validation may have, the usual one first.
        plain: the standard form of its kind, which needs no announcement.
        seedable: a part for training alone is enough; it is split by seed.
    """

    kind: str
    name: str
    annotations: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    val: tuple[str, ...] = VAL
    plain: bool = False
    seedable: bool = False

    @property
    def has_parts(self) -> bool:
        """Training and validation lie apart."""
        return any("{}" in pattern for pattern in (*self.annotations, *self.images, *self.listed))


class Part(NamedTuple):
    """Where the annotations, the images and the list of images of a part are, if the layout has them."""

    annotations: Path | None
    images: Path | None
    listed: Path | None


class Match(NamedTuple):
    """A folder seen as a layout.

    Attributes:
        train: with the pieces that are there.
        val: None: the split is by seed.
        unused: the file or folder that stands for a test part.
        present: pieces that are there, but for the folder itself.
        missing: pieces that are not: what it is, and the patterns it was looked for by.
        excluded: something is there that the layout does not have.
    """

    layout: Layout
    root: Path
    train: Part
    val: Part | None
    names: Path | None
    unused: tuple[Path, ...]
    present: tuple[Path, ...]
    missing: tuple[str, ...]
    excluded: bool

    @property
    def complete(self) -> bool:
        return not self.missing and not self.excluded

    @property
    def share(self) -> float:
        """The part of the pieces that is there."""
        return len(self.present) / max(1, len(self.present) + len(self.missing))

    def how(self, plain: str) -> str:
        """How the data was read: of a layout that needs no announcement what `plain` says."""
        if self.layout.plain:
            return plain
        if self.val is None:
            return f"{self.layout.name}, {plain}"
        return f"{self.layout.name}: {self.told(self.train)}, {self.told(self.val)}"

    def told(self, part: Part) -> Path:
        """The name of a part: the list, folder or file that it does not share with the other part."""
        shared = {*self.train} & {*self.val} if self.val is not None else set()
        own = [path for path in (part.listed, part.images, part.annotations) if path is not None]
        return next((path for path in own if path not in shared), own[0]).relative_to(self.root)


def match(layout: Layout, tree: Tree) -> Match:
    """The folder of `tree` seen as `layout`."""
    train = _part(layout, tree, TRAIN)
    val: Part | None = None
    test = Part(None, None, None)
    if layout.has_parts:
        val, test = _part(layout, tree, layout.val), _part(layout, tree, TEST)
        if layout.seedable and not {*val} - {None, *train}:
            val = None
    names, mark = _first(tree, layout.names), _first(tree, layout.marks)
    present = [path for path in (*train, *(val or ()), names, mark) if path is not None]
    apart = [path for path in (test.listed, test.images, test.annotations) if path is not None and path not in present]
    lacks = [f"the {what} ({' or '.join(patterns)})" for what, patterns in _absent(layout, names, mark)]
    return Match(
        layout,
        tree.root,
        train,
        val,
        names,
        unused=tuple(apart[:1]),
        present=tuple(path for path in dict.fromkeys(present) if path != tree.root),
        missing=(*_lacking(layout, train, val), *lacks),
        excluded=_first(tree, layout.unless) is not None,
    )


def _part(layout: Layout, tree: Tree, names: Sequence[str]) -> Part:
    """The pieces of a part that has one of `names`."""
    pieces = (layout.annotations, layout.images, layout.listed)
    return Part(*(_first(tree, [p.replace("{}", name) for p in patterns for name in names]) for patterns in pieces))


def _absent(layout: Layout, names: Path | None, mark: Path | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    if layout.names and names is None:
        yield "class names", layout.names
    if layout.marks and mark is None:
        yield "description", layout.marks


def _lacking(layout: Layout, train: Part, val: Part | None) -> Iterator[str]:
    """The pieces that training, validation or both lack, and where they were looked for."""
    pieces = {"annotations": layout.annotations, "images": layout.images, "list of images": layout.listed}
    for k, (what, patterns) in enumerate(pieces.items()):
        parts = [
            name for name, part in ((TRAIN[0], train), (layout.val[0], val)) if part is not None and part[k] is None
        ]
        if patterns and parts:
            name = f"{{{','.join(parts)}}}" if len(parts) > 1 else parts[0]
            tried = [pattern.replace("{}", name) for pattern in patterns[:2]]
            yield f"the {what} ({' or '.join(tried)})"


def _first(tree: Tree, patterns: Sequence[str]) -> Path | None:
    return next((path for pattern in patterns if (path := tree.look_up(pattern)) is not None), None)
