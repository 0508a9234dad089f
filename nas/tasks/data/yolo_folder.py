"""YoloFolder: where the images and labels of a YOLO data set are, by its data.yaml or by its layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas.errors import Fault, SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data import layouts
from nas.tasks.data.annotated import is_data_yaml
from nas.tasks.data.classes import read_name
from nas.tasks.data.faults import Faults
from nas.tasks.data.named_files import ImageNames, NamedFiles, is_image, read_lines
from nas.yaml12 import load_yaml

_CLASSES = ("classes.txt", "obj.names", "labels/classes.txt", "images/classes.txt")


class Place(NamedTuple):
    """A folder or a list of images.

    Attributes:
        written: how data.yaml writes it.
        path: None: there is none in the data's folder.
        moved: whether `path` is another than is written.
    """

    written: str
    path: Path | None
    moved: bool


class DataYaml:
    """The content of the file; empty if there is no file.

    Attributes:
        root: the data's folder.

    Raises:
        SpecError: it cannot be read.
    """

    def __init__(self, spec: DataSpec) -> None:
        given = Path(str(spec.root))
        is_file = is_data_yaml(spec.root)
        self.root = Path(os.path.normpath(given.parent if is_file else given))
        tried = [given] if is_file else [given / name for name in layouts.DATA_YAML]
        self._file = next((path for path in tried if path.is_file()), None)
        self._content = _read(self._file) if self._file is not None else {}

    @property
    def names(self) -> dict[int, str]:
        """The classes by number, as they are written."""
        names = self._content.get("names")
        if isinstance(names, list):
            return {number: str(name) for number, name in enumerate(names)}
        if not isinstance(names, Mapping):
            return {}
        try:
            return {int(number): str(name) for number, name in names.items()}
        except (OverflowError, TypeError, ValueError):
            raise _fault(self._file, "should go from numbers to names", "names") from None

    @property
    def keypoints(self) -> tuple[int, int] | None:
        """`kpt_shape`: how many keypoints of how many values; (0, 0): none, by an empty value; None: no such key."""
        if "kpt_shape" not in self._content:
            return None
        match self._content["kpt_shape"]:
            case None | []:
                return 0, 0
            case [int(count), (2 | 3) as values] if count > 0:
                return count, values
        raise _fault(self._file, "should be [number of keypoints, 2 or 3], or null for none", "kpt_shape")

    def places(self, part: str, files: NamedFiles) -> tuple[Place, ...]:
        """Where the images of a part are."""
        given = self._content.get(part) or []
        bases = (self.root / str(self._content.get("path") or ""), self.root)
        places = []
        for item in map(str, given if isinstance(given, list) else [given]):
            path = _find(item, bases, files)
            exact = [Path(os.path.normpath(base / item)) for base in bases]
            places.append(Place(item, path, path is not None and path not in exact))
        return tuple(places)

    def absent(self, place: Place) -> str:
        """Why a place cannot be used, and the way out."""
        outside = self.root / str(self._content.get("path") or "") / place.written
        if os.path.exists(outside):  # Path.exists raises for a name that no file can have
            return f"data.yaml names {place.written}, which is outside of {self.root}: name a folder that holds both"
        return f"there is no {self.root / place.written}, which data.yaml names"

    @property
    def layout(self) -> str:
        """The layout that is announced, if the file shows the tool that wrote it."""
        return "Roboflow YOLO export" if "roboflow" in self._content else ""


def _fault(file: Path | None, message: str, key: str = "") -> SpecError:
    return SpecError(str(file), [Fault(key, message)])


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = load_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(path, f"cannot be read: {error}") from None
    if not isinstance(data, Mapping):
        raise _fault(path, "should be a mapping with names, train and val")
    return data


def _find(item: str, bases: tuple[Path, ...], files: NamedFiles) -> Path | None:
    """The path in the data's folder; Roboflow writes `../train/images` for `train/images`.

    An absolute path comes from another machine, so its first folders may differ. A relative one must match in full, so
    that no other folder is taken for it.
    """
    slashed = item.replace("\\", "/")
    if re.match(r"/|[A-Za-z]:", slashed):
        found = files.find(item, bases)
    else:
        bare = re.sub(r"^(\.{1,2}/)+", "", slashed)
        tried = (base / one for one in (item, slashed, bare) for base in bases)
        found = next((path for one in tried if (path := files.at(one)) is not None), None)
    return Path(os.path.normpath(found)) if found is not None else None


class YoloFolder(NamedTuple):
    """A YOLO data set before its labels are read.

    Attributes:
        files: all files, which are under one root.
        names: the classes by number.
        keypoints: see `DataYaml`.
        train: folders and lists of images.
        val: the same; without any the split is by seed.
        test: the same, as far as they are there.
        labels: folders of labels, each with the folder of its images.
        layout: the name that is announced, if any.
        faults: what keeps the data from being read.
    """

    files: NamedFiles
    names: dict[int, str]
    keypoints: tuple[int, int] | None
    train: tuple[Path, ...]
    val: tuple[Path, ...]
    test: tuple[Path, ...]
    labels: tuple[tuple[Path, Path], ...]
    layout: str
    faults: tuple[Fault, ...]

    def images(self, places: tuple[Path, ...], faults: Faults) -> list[Path]:
        """The images in folders and lists, each once."""
        found: list[Path] = []
        for place in places:
            if os.path.isdir(place):
                beside = (place, place) in self.labels and place == self.files.root
                found += sorted(filter(is_image, place.iterdir() if beside else place.rglob("*")))
                continue
            names = ImageNames(self.files, (place.parent, self.files.root), str(self.files.relative(place)))
            listed = [names.path(line) for line in read_lines(place) if line]
            ambiguous = names.ambiguous(faults)
            found += [path for path in listed if path not in ambiguous]
        return list(dict.fromkeys(Path(str(path)) for path in found))

    def label_files(self, image: Path) -> Iterator[Path]:
        """Where the labels of an image may be: in the layout's folder, in `labels` for `images`, and beside it."""
        for folder, images in self.labels:
            if image.is_relative_to(images):
                yield folder / image.relative_to(images).with_suffix(".txt")
        for parent in image.parents:
            if parent.name == "images" and parent.is_relative_to(self.files.root):
                yield (parent.with_name("labels") / image.relative_to(parent)).with_suffix(".txt")
                break
        yield image.with_suffix(".txt")

    def label_file(self, image: Path) -> Path | None:
        """The first of `label_files` that is there."""
        return next((path for one in self.label_files(image) if (path := self.files.at(one)) is not None), None)


def read_folder(spec: DataSpec, faults: Faults) -> YoloFolder:
    """The folder of a YOLO data set; notes what is not used, and what is elsewhere than data.yaml has it.

    Raises:
        SpecError: data.yaml cannot be read.
    """
    yaml = DataYaml(spec)
    files = NamedFiles(yaml.root)
    train, val, test = (yaml.places(part, files) for part in ("train", "val", "test"))
    found = layouts.find(yaml.root, "yolo") if not train and not val else None
    if found is None:
        paths = [_paths(place.path for place in places) for places in (train, val, test)]
        parts = []
        for place in test:
            if place.path is None:
                faults.note(f"test of data.yaml is not used: {yaml.absent(place)}")
    else:
        given = (found.train, found.val, found.test)
        paths = [_paths([part.listed or part.images]) if part is not None else () for part in given]
        parts = [part for part in given if part is not None]
        if found.test_missing:
            faults.note(found.test_note)
    for place in train + val + test:
        if place.moved and place.path is not None:
            faults.note(f"data.yaml: {place.written} is read as {place.path.relative_to(yaml.root)}")
    names = yaml.names or _listed_names(yaml.root, found.names if found is not None else None)
    return YoloFolder(
        files=files,
        names={k: read_name(name, faults) for k, name in names.items()} or dict(enumerate(spec.classes or ())),
        keypoints=yaml.keypoints,
        train=paths[0],
        val=paths[1],
        test=paths[2],
        labels=tuple((part.annotations, part.images) for part in parts if part.annotations and part.images),
        layout=found.layout.name if found is not None and not found.layout.plain else yaml.layout,
        faults=tuple(Fault("root", yaml.absent(place)) for place in train + val if place.path is None),
    )


def _paths(paths: Iterable[Path | None]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


def _listed_names(root: Path, path: Path | None) -> dict[int, str]:
    """The classes of a text file, a line each."""
    path = path or next((file for name in _CLASSES if (file := root / name).is_file()), None)
    return {number: name for number, name in enumerate(read_lines(path)) if name} if path is not None else {}
