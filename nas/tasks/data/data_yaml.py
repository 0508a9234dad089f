"""DataYaml: the file that describes a YOLO data set: its classes, the form of its rows, and where its parts are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas.errors import Fault, SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data.folder import is_data_yaml
from nas.tasks.data.layouts import DATA_YAML
from nas.tasks.data.named_files import NamedFiles
from nas.yaml12 import load_yaml


class Place(NamedTuple):
    """A folder or a list of images: as it is written, the path (None: there is none in the data's folder), and whether
    this is another than is written.
    """

    written: str
    path: Path | None
    moved: bool


class DataYaml:
    """What the file says; of nothing, if there is none.

    Raises:
        SpecError: it cannot be read.
    """

    def __init__(self, spec: DataSpec) -> None:
        given = Path(str(spec.root))
        self.root = Path(os.path.normpath(given.parent if is_data_yaml(spec.root) else given))
        tried = [given] if is_data_yaml(spec.root) else [given / name for name in DATA_YAML]
        self.file = next((path for path in tried if path.is_file()), None)
        self._said = _said(self.file) if self.file is not None else {}

    @property
    def names(self) -> dict[int, str]:
        """The classes by number, as they are written."""
        names = self._said.get("names")
        if isinstance(names, list):
            return {number: str(name) for number, name in enumerate(names)}
        if not isinstance(names, Mapping):
            return {}
        try:
            return {int(number): str(name) for number, name in names.items()}
        except (OverflowError, TypeError, ValueError):
            raise self._fault("names", "should go from numbers to names") from None

    @property
    def keypoints(self) -> tuple[int, int] | None:
        """`kpt_shape`: how many keypoints of how many values; (0, 0): none, by an empty value; None: it is not said."""
        if "kpt_shape" not in self._said:
            return None
        match self._said["kpt_shape"]:
            case None | []:
                return 0, 0
            case [int(count), (2 | 3) as values] if count > 0:
                return count, values
        raise self._fault("kpt_shape", "should be [number of keypoints, 2 or 3], or null for none")

    def places(self, part: str, files: NamedFiles) -> tuple[Place, ...]:
        """Where the images of a part are."""
        given = self._said.get(part) or []
        bases = (self.root / str(self._said.get("path") or ""), self.root)
        places = []
        for item in map(str, given if isinstance(given, list) else [given]):
            path = _place(item, bases, files)
            places.append(
                Place(item, path, path not in (None, *(Path(os.path.normpath(base / item)) for base in bases)))
            )
        return tuple(places)

    def absent(self, place: Place) -> str:
        """Why a place cannot be used, and the way out."""
        outside = self.root / str(self._said.get("path") or "") / place.written
        if os.path.exists(outside):  # Path.exists raises for a name that no file can have
            return f"data.yaml names {place.written}, which is outside of {self.root}: name a folder that holds both"
        return f"there is no {self.root / place.written}, which data.yaml names"

    @property
    def tool(self) -> str:
        """The layout that is announced, if the file tells whose it is."""
        return "Roboflow YOLO export" if "roboflow" in self._said else ""

    def _fault(self, path: str, message: str) -> SpecError:
        return SpecError(str(self.file), [Fault(path, message)])


def _said(path: Path) -> Mapping[str, Any]:
    try:
        data = load_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), [Fault("", f"cannot be read: {error}")]) from None
    if not isinstance(data, Mapping):
        raise SpecError(str(path), [Fault("", "should be a mapping with names, train and val")])
    return data


def _place(item: str, bases: tuple[Path, ...], files: NamedFiles) -> Path | None:
    """The path in the data's folder; Roboflow writes `../train/images` for `train/images`.

    Of an absolute path, which comes from another machine, the first folders may be others; of a relative one they
    count, so that no other folder is taken for it.
    """
    slashed = item.replace("\\", "/")
    if re.match(r"/|[A-Za-z]:", slashed):
        found = files.find(item, bases)
    else:
        bare = re.sub(r"^(\.{1,2}/)+", "", slashed)
        tried = (base / one for one in (item, slashed, bare) for base in bases)
        found = next((path for one in tried if (path := files.at(one)) is not None), None)
    return Path(os.path.normpath(found)) if found is not None else None
