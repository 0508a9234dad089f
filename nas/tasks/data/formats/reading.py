"""From the label files of a format to annotated images, with the faults and the parts that all formats share.

Classes are those of the objects in train and val, by name. Images go to train, val and test as the label files or
folders say; where these do not name both train and val, the split is drawn by seed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data import coco_masks, folder
from nas.tasks.data.annotated import Annotated, Box, Parts, check_root, read_stated, seeded
from nas.tasks.data.classes import note_case, read_name
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.formats.base import UNREADABLE, Format, NoBox, Record, part_name
from nas.tasks.data.named_files import ImageNames, NamedFiles
from nas.tasks.data.unseen import find

_UNREADABLE_FILE = "unreadable label file"


def check(form: Format, spec: DataSpec) -> list[Fault]:
    """A fault if there is no folder with label files of the format."""
    faults = check_root(spec)
    if not faults and not form.files(root := Path(str(spec.root))):
        faults.append(Fault("root", f"{root} is no {form.title}: it lacks {form.wanted}"))
    return faults


def load(form: Format, spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder as boxes. Raises UserError, see `folder.build`."""
    faults = Faults()
    return folder.build(spec, *read(form, spec, faults), image_size, held, faults)


def load_masks(form: Format, spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder as class maps. Raises UserError, see `coco_masks.build_outlined`."""
    faults = Faults()
    return coco_masks.build_outlined(spec, *read(form, spec, faults), image_size, held, faults)


def read(form: Format, spec: DataSpec, faults: Faults) -> tuple[Parts, tuple[str, ...]]:
    """The annotated images of a folder that passed `check`, and the classes."""
    root = Path(str(spec.root))
    reader = _Reader(form, root)
    for file in form.files(root):
        reader.read(file)
    parts = reader.parts
    pooled = not (parts["train"] and parts["val"])
    used = ("train", "val", "") if pooled else ("train", "val")
    for own in (reader.unread, *(reader.faults[part] for part in used)):
        faults.join(own)
    if pooled:
        train, val, how = seeded([item for part in ("", "train", "val") for item in parts[part]], spec)
    else:
        train, val, how = parts["train"], parts["val"], "parts as given"
        if parts[""]:
            faults.note(f"{len(parts[''])} images are in neither train, val nor test, and are not used")
    reader.conclude(faults)
    classes = tuple(sorted({box.label for item in (*train, *val) for box in item.boxes}))
    note_case(classes, faults)
    test = None
    if parts["test"]:

        def read_test(own: Faults) -> list[Annotated]:
            own.join(reader.faults["test"])
            return parts["test"]

        test = find("test", read_test, faults, classes)
    return Parts(train, val, f"{form.title}, {how}", test), classes


class _Reader:
    """Reads label files one by one.

    Attributes:
        parts: the images, by train, val, test, and "" for those of no part.
        faults: of the images, likewise.
        unread: files and images that cannot be read, so that nobody knows their part.
    """

    def __init__(self, form: Format, root: Path) -> None:
        self.parts: defaultdict[str, list[Annotated]] = defaultdict(list)
        self.faults: defaultdict[str, Faults] = defaultdict(Faults)
        self.unread = Faults()
        self._form = form
        self._files = NamedFiles(root)
        self._names: dict[tuple[Path, ...], ImageNames] = {}
        self._seen: dict[Path, str] = {}
        self._around: Counter[str] = Counter()
        self._bare = 0

    def read(self, file: Path) -> None:
        place = str(self._files.relative(file))
        try:
            for name, image in self._form.images(file):
                self._image(image, file, f"{place}, {name}" if name else place)
        except UNREADABLE as error:
            self.unread.add(_UNREADABLE_FILE, f"{place}: {_short(error)}")

    def conclude(self, faults: Faults) -> None:
        """Leave out what is ambiguous, and note what was read as something else."""
        ambiguous = set().union(*(names.ambiguous(faults) for names in self._names.values()))
        for items in self.parts.values():
            items[:] = [item for item in items if item.path not in ambiguous]
        for what, count in self._around.items():
            faults.note(f"{what}: {count}, of each the upright box around it is used")
        if self._bare:
            faults.note(f"{self._bare} images that nobody has annotated are not used")

    def _image(self, image: Any, file: Path, place: str) -> None:
        try:
            record = self._form.record(image, file, self._files.root)
        except UNREADABLE as error:
            self.unread.add("unreadable annotation", f"{place}: {_short(error)}")
            return
        if record is None:
            self._bare += 1
            return
        part = part_name(record.part)
        faults = self.faults[part]
        names = self._names.setdefault(record.bases, ImageNames(self._files, record.bases, self._form.title))
        path = names.path(record.image)
        if path in self._seen:
            faults.add("image annotated twice", f"{place} and {self._seen[path]}: {self._files.relative(path)}")
            return
        self._seen[path] = place
        stated = read_stated(record.width, record.height, place, faults)
        boxes = self._boxes(record, f"{place}, {self._form.what}", faults)
        self.parts[part].append(Annotated(path, f"{place}, {self._form.what}", boxes, stated, record.relative))

    def _boxes(self, record: Record, place: str, faults: Faults) -> list[Box]:
        boxes = []
        for number, item in enumerate(record.objects, start=1):
            try:
                found = self._form.shape(item, record)
            except NoBox as error:
                faults.add(str(error), f"{place} {number}")
                continue
            except UNREADABLE as error:
                faults.add("unreadable object", f"{place} {number}: {_short(error)}")
                continue
            if found is None:
                continue
            label = read_name(found.label if found.label is not None else "", faults)
            if not label:
                faults.add("object without a class", f"{place} {number}")
                continue
            self._around[found.around] += bool(found.around)
            boxes.append(Box(number, label, found.corners, found.crowd, found.outline))
        self._around.pop("", None)
        return boxes


def _short(error: Exception) -> str:
    text = (
        f"{type(error).__name__}: {error}" if isinstance(error, KeyError | AttributeError | TypeError) else str(error)
    )
    return text.partition("\n")[0][:100]
