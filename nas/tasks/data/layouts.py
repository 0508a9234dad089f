"""The layouts in which tools leave annotated images on disk: which one a folder has, or why it has none.

A new layout is a row of `LAYOUTS`. What its pieces hold is read by the module of its kind (`coco.py`, `voc.py`, ...).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nas.tasks.data.named_files import listing

DATA_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
"""Names of the file that describes a YOLO data set in any layout: see `nas.tasks.data.yolo_folder`."""

_KINDS = ("coco", "voc", "yolo", "masks")
_DOCS = "docs/data.md lists the layouts that are read"

TRAIN = ("train", "train2017", "training")
VAL = ("val", "val2017", "valid", "validation", "validate")
TEST = ("test", "test2017", "testing")
HERE = ("*.jpg", "*.jpeg", "*.png", "*.bmp", "*.tif", "*.tiff", "*.webp", "*.npy")
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
        marks: a file that only this layout has.
        unless: files and folders that this layout does not have.
        val: names that the part for validation may have, the usual one first.
        plain: the standard form of its kind, which is not announced.
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


_coco, _voc, _yolo = (partial(Layout, kind) for kind in ("coco", "voc", "yolo"))

_COCO = ("instances_{}.json", "annotations/instances_{}.json", "{}.json", "annotations/{}.json")
_ONE_COCO = tuple(f"{folder}{x}.json" for x in ("annotations", "instances", "coco") for folder in ("", "annotations/"))
_ROBOFLOW_COCO = "_annotations.coco.json"
_ROBOFLOW_VAL = ("valid", "val", "validation")
_DARKNET = ("train/_darknet.labels",)
_LISTS = ("ImageSets/Main/train.txt", "ImageSets/Main/val.txt")
_DEFAULT = "ImageSets/Main/default.txt"
_OBJ_NAMES = ("obj.names", "data/obj.names")
_IMAGES = ("JPEGImages/", "images/", "image/", "imgs/", "img/")
_XML = ("Annotations/*.xml", "annotations/xmls/*.xml", "annotation/*.xml", "xmls/*.xml", "xml/*.xml", "labels/*.xml")
_XML_PARTS = ("Annotations/{}/*.xml", "labels/{}/*.xml", "images/{}/*.xml")
_VOC = ("Annotations/",), ("JPEGImages/",)

LAYOUTS: tuple[Layout, ...] = (
    # The standard form of each kind, and its close relatives.
    _coco("COCO folder", _COCO, ("images/{}/", "{}/"), plain=True),
    _coco("COCO folder with one folder of images", _COCO, ("images/*.*",)),
    _voc("VOC folder", *_VOC, listed=("ImageSets/Main/{}.txt",), plain=True),
    _voc("VOC folder, the images of trainval.txt", *_VOC, listed=("ImageSets/Main/trainval.txt",), unless=_LISTS),
    _voc("VOC folder", ("Annotations/*.xml",), ("JPEGImages/",), unless=(*_LISTS, _DEFAULT), plain=True),
    _yolo("YOLO folder", ("labels/{}/",), ("images/{}/",), plain=True, seedable=True),
    _yolo("YOLO folder", ("images/{}/*.txt",), ("images/{}/",), plain=True, seedable=True),
    Layout("masks", "folder of masks", ("masks/{}/",), ("images/{}/",), plain=True),
    # Roboflow: annotations beside the images; a data set that was not divided has train alone. Its YOLO exports have a
    # data.yaml.
    _coco("Roboflow COCO export", (f"{{}}/{_ROBOFLOW_COCO}",), ("{}/",), val=_ROBOFLOW_VAL, seedable=True),
    _coco("Roboflow COCO export", (_ROBOFLOW_COCO,), HERE),
    _voc("Roboflow VOC export", ("{}/*.xml",), ("{}/",), val=_ROBOFLOW_VAL, seedable=True),
    _yolo("Roboflow Darknet export", ("{}/*.txt",), ("{}/",), names=_DARKNET, val=_ROBOFLOW_VAL, seedable=True),
    # CVAT: one part named `default`, unless the images were given to parts.
    _coco("CVAT COCO export", ("annotations/instances_default.json",), ("images/default/", "images/")),
    _voc("CVAT VOC export", *_VOC, listed=(_DEFAULT,), unless=_LISTS),
    _yolo("CVAT YOLO export", listed=("{}.txt",), names=_OBJ_NAMES, marks=("obj.data",), seedable=True),
    # Label Studio: one part.
    _coco("Label Studio COCO export", ("result.json",), ("images/", *HERE)),
    _yolo("Label Studio YOLO export", ("labels/",), ("images/",), names=("classes.txt",), marks=("notes.json",)),
    # A folder of images and one of annotations: Kaggle, and exports of several tools.
    _voc("XML folder with parts", _XML_PARTS, ("images/{}/", "JPEGImages/{}/"), seedable=True),
    _voc("XML folder", _XML, _IMAGES, unless=_LISTS),
    _yolo("YOLO folder with parts", ("{}/labels/",), ("{}/images/",), seedable=True),
    _yolo("YOLO folder", ("labels/",), _IMAGES, unless=("images/train/", "images/val/"), plain=True),
    _coco("single COCO file", _ONE_COCO, ("images/", "JPEGImages/", *HERE)),
    # labelImg: every image has its XML or text file beside it.
    _voc("labelImg folder", ("*.xml",), HERE),
    _voc("labelImg folder", ("images/*.xml",), ("images/",)),
    _yolo("labelImg folder", ("images/*.txt",), ("images/",), names=("images/classes.txt",)),
    _yolo("labelImg folder", ("*.txt",), HERE, names=("classes.txt",), unless=("obj.data",)),
)
"""In the order in which they are tried."""


class Part(NamedTuple):
    """Where the annotations, the images and the list of images of a part are, if the layout has them."""

    annotations: Path | None = None
    images: Path | None = None
    listed: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """What is there, the pieces that name a part best first."""
        return [path for path in (self.listed, self.images, self.annotations) if path is not None]


class Match(NamedTuple):
    """A folder seen as a layout.

    Attributes:
        train: with the pieces that are there.
        val: None: the split is by seed.
        names: the file with the names of the classes.
        test: images for tests, with all pieces; None where there are none, or one is missing.
        test_place: the file or folder that they are named by, relative to the root; empty where there are none.
        test_missing: the pieces that they lack.
        present: pieces that are there, but for the folder itself.
        missing: pieces that are not: what it is, and the patterns it was looked for by.
        excluded: something is there that the layout does not have.
    """

    layout: Layout
    root: Path
    train: Part
    val: Part | None
    names: Path | None
    test: Part | None
    test_place: str
    test_missing: tuple[str, ...]
    present: tuple[Path, ...]
    missing: tuple[str, ...]
    excluded: bool

    @property
    def complete(self) -> bool:
        return not self.missing and not self.excluded

    @property
    def share(self) -> float:
        """The share of the pieces that is there."""
        return len(self.present) / max(1, len(self.present) + len(self.missing))

    @property
    def test_note(self) -> str:
        """Why the images for tests are not used."""
        return f"{self.test_place} is not used: it lacks {' and '.join(self.test_missing)}"

    def how(self, plain: str) -> str:
        """How the data was read, for the user; `plain` says it for a layout that is not announced."""
        if self.layout.plain:
            return plain
        if self.val is None:
            return f"{self.layout.name}, {plain}"
        shared = {*self.train} & {*self.val}
        own = [next((x for x in part.paths if x not in shared), part.paths[0]) for part in (self.train, self.val)]
        return f"{self.layout.name}: {', '.join(str(path.relative_to(self.root)) for path in own)}"


def find(root: Path, kind: str) -> Match | None:
    """The first layout of a kind that the folder has in full, or None."""
    tree = Tree(root)
    matches = (match(layout, tree) for layout in LAYOUTS if layout.kind == kind)
    return next((found for found in matches if found.complete), None)


def nearest(root: Path, kinds: Collection[str]) -> Match | None:
    """The layout of these kinds of which the folder has most, or None if it has nothing of any."""
    tree = Tree(root)
    matches = [match(layout, tree) for layout in LAYOUTS if layout.kind in kinds]
    alike = [found for found in matches if found.present and not found.excluded]
    return max(alike, key=lambda x: (x.complete, x.train.annotations is not None, x.share), default=None)


def refusal(root: str, kinds: Collection[str]) -> str:
    """Why no layout of `kinds` was found in the folder `root`, and the way out, in two lines."""
    folder = Path(root)
    *some, last = kinds
    wanted = f"{', '.join(some)} or {last}" if some else last
    inner = _only_folder(folder)
    within = _found_layout(inner, kinds) if inner is not None else None
    if inner is not None and within is not None:
        return f"{root} is not the data set itself, but its folder {inner.name} is a {within[1]}:\n  name {inner}"
    other = _found_layout(folder, [kind for kind in _KINDS if kind not in kinds])
    if other is not None:
        return f"{root} is no {wanted} data, but a {other[1]}:\n  read it as such, by the kind {other[0]}"
    like = nearest(folder, kinds)
    if like is None:
        return f"{root} has no annotated images of the kind {wanted} in any layout that is read:\n  {_DOCS}"
    there = f"{root} is most like a {like.layout.name}, for it has {like.present[0].relative_to(folder)}, but lacks"
    return f"{there}\n  {' and '.join(like.missing)}; {_DOCS}"


def _found_layout(folder: Path, kinds: Collection[str]) -> tuple[str, str] | None:
    """The first of `kinds` that the folder has in full, and the name of its layout."""
    if "yolo" in kinds and any((folder / name).is_file() for name in DATA_YAML):
        return "yolo", "YOLO folder with data.yaml"
    found = next((match for kind in kinds if (match := find(folder, kind)) is not None), None)
    return (found.layout.kind, found.layout.name) if found is not None else None


def _only_folder(folder: Path) -> Path | None:
    try:
        inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))]
    except OSError:
        return None
    return inside[0] if len(inside) == 1 else None


class Tree:
    """A folder in which files and folders are found by patterns, in any case: Annotations, annotations."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entries = listing(lambda path: path.name.lower())

    def look_up(self, pattern: str) -> Path | None:
        """The first thing there that fits `pattern` (see `Layout`), or None."""
        *folders, last = pattern.split("/")
        path: Path | None = self.root
        for name in folders:
            path = self._named(path, name) if path is not None else None
        if path is None or not last:
            return path if path is not None and path.is_dir() else None
        if "*" in last:
            return path if any(fnmatchcase(name, last.lower()) for name in self._entries(path)) else None
        found = self._named(path, last)
        return found if found is not None and found.is_file() else None

    def first(self, patterns: Sequence[str]) -> Path | None:
        return next((path for pattern in patterns if (path := self.look_up(pattern)) is not None), None)

    def _named(self, folder: Path, name: str) -> Path | None:
        """The entry `name` of a folder: in just this case if there is one."""
        spellings = self._entries(folder).get(name.lower(), []) if name else [folder]
        return folder / name if folder / name in spellings else next(iter(spellings), None)


def match(layout: Layout, tree: Tree) -> Match:
    """The folder of `tree` seen as `layout`."""
    train, val, test = _part(layout, tree, TRAIN), None, Part()
    if any("{}" in pattern for pattern in (*layout.annotations, *layout.images, *layout.listed)):
        val, test = _part(layout, tree, layout.val), _part(layout, tree, TEST)
        if layout.seedable and not {*val} - {None, *train}:
            val = None
    names, mark = tree.first(layout.names), tree.first(layout.marks)
    present = [path for path in (*train, *(val or ()), names, mark) if path is not None]
    parts = [(TRAIN[0], train)] + ([(layout.val[0], val)] if val is not None else [])
    own = next((path for path in test.paths if path not in present), None)
    lacks = tuple(_missing(layout, [(TEST[0], test)])) if own is not None else ()
    return Match(
        layout,
        tree.root,
        train,
        val,
        names,
        test=test if own is not None and not lacks else None,
        test_place=str(own.relative_to(tree.root)) if own is not None else "",
        test_missing=lacks,
        present=tuple(path for path in dict.fromkeys(present) if path != tree.root),
        missing=(*_missing(layout, parts), *_missing_files(layout, names, mark)),
        excluded=tree.first(layout.unless) is not None,
    )


def _part(layout: Layout, tree: Tree, names: Sequence[str]) -> Part:
    """The pieces of a part that has one of `names`."""
    pieces = (layout.annotations, layout.images, layout.listed)
    return Part(*(tree.first([p.replace("{}", name) for p in patterns for name in names]) for patterns in pieces))


def _missing(layout: Layout, parts: Sequence[tuple[str, Part]]) -> Iterator[str]:
    """The pieces that one or all of `parts`, by name, lack, and where they were looked for."""
    pieces = {"annotations": layout.annotations, "images": layout.images, "list of images": layout.listed}
    for k, (what, patterns) in enumerate(pieces.items()):
        lacking = [name for name, part in parts if part[k] is None]
        if patterns and lacking:
            name = f"{{{','.join(lacking)}}}" if len(lacking) > 1 else lacking[0]
            yield f"the {what} ({' or '.join(pattern.replace('{}', name) for pattern in patterns[:2])})"


def _missing_files(layout: Layout, names: Path | None, mark: Path | None) -> Iterator[str]:
    """The files of the whole folder that are missing, likewise."""
    for what, patterns, found in (("class names", layout.names, names), ("description", layout.marks, mark)):
        if patterns and found is None:
            yield f"the {what} ({' or '.join(patterns)})"
