"""Study and search space files: found by name or path, read with every fault and its line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import nas
from nas.errors import Fault, SpecError, UserError
from nas.search_space import SearchSpace
from nas.studies.certificate import Certificate
from nas.studies.spec import StudySpec
from nas.yaml12 import Document, dump_yaml, load_yaml, parse

__all__ = [
    "Kind",
    "StudyFile",
    "certificates",
    "change_study",
    "dump_yaml",
    "find",
    "is_path",
    "load_yaml",
    "names",
    "open_study",
    "parse",
    "read",
    "read_space",
    "read_study",
]

Kind = Literal["studies", "search_spaces"]

_WORDS: dict[str, str] = {"studies": "study", "search_spaces": "search space"}
PATHS = ("task.data.root", "task.backbone.checkpoint", "search_space")
"""Keys of a study that may be paths, relative to its file."""


def folder(kind: Kind) -> Path:
    """Where the shipped files are: in the installed package, or in the repository of an editable install."""
    package = Path(nas.__file__).parent
    installed = package / "_shipped" / kind
    return installed if installed.is_dir() else package.parent / kind


def names(kind: Kind) -> list[str]:
    """Names of the shipped files."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml"))


def is_path(text: str) -> bool:
    """Whether a word means a file by its path, and not something by its name."""
    return "/" in text or text.endswith((".yaml", ".yml"))


def find(kind: Kind, name_or_path: str) -> Path:
    """The file meant by a shipped name (`quickstart`, `studies/quickstart.yaml`) or a path.

    Raises:
        UserError: there is none; names those that there are.
    """
    path = Path(os.path.expanduser(name_or_path))
    if is_path(name_or_path) and path.is_file():
        return path
    shipped = path.name.removesuffix(".yaml")
    if path.parent in (Path(), Path(kind)) and shipped in names(kind):
        return folder(kind) / f"{shipped}.yaml"
    word = _WORDS[kind]
    if path.is_dir():
        raise UserError(f"{name_or_path} is a folder, not a {word} file")
    close = get_close_matches(path.stem, names(kind), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    shown = ", ".join(names(kind)) or "none"
    raise UserError(f"there is no {word} {name_or_path!r}: not a file, and shipped are {shown}{hint}")


def read(path: Path) -> str:
    """Text of a file.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read: it is not UTF-8 text") from None


@dataclass(frozen=True)
class StudyFile:
    """A study as somebody wrote it: a file's `text` and changes to it.

    `faults` are those of its form; `study` is what the sound parts make, or None if they are too few.
    """

    where: str
    text: str
    study: StudySpec | None
    faults: tuple[Fault, ...]
    document: Document
    changes: tuple[_Change, ...]

    @classmethod
    def of(cls, study: StudySpec) -> StudyFile:
        """The file of a study that was made in Python."""
        data = study.to_dict()
        return cls(study.name or "study", dump_yaml(data), study, (), Document(data), ())

    def located(self, faults: Iterable[Fault]) -> list[Fault]:
        """The faults, each with the line it stands on or the change it comes from."""
        return [Fault(f.path, f.message + _origin(f.path, self.document, self.changes)) for f in faults]

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Locate the faults of a SpecError about this study that is raised within."""
        try:
            yield
        except SpecError as error:
            if self.study is None or error.where not in ("", self.study.name):
                raise
            raise SpecError(self.where, self.located(error.faults)) from None


def open_study(name_or_path: str, sets: Sequence[str] = ()) -> StudyFile:
    """A study file with changes, sound or not.

    `sets` are changes in the form `key.path=value`, values in YAML (`objectives[0].metric=ap50`). The name defaults
    to the file's stem. Paths in the file are relative to the file, those in `sets` to the working folder; the value
    has them absolute.

    Raises:
        UserError: there is no such file, it holds no mapping, or a change does not fit.
    """
    path = find("studies", name_or_path)
    text = read(path)
    document = parse(text, str(path))
    if not isinstance(document.data, dict):
        raise SpecError(str(path), [Fault("", "is no study: it should be a mapping with at least task:")])
    return _changed(str(path), text, document, sets, path)


def change_study(study: StudySpec, text: str, sets: Sequence[str]) -> StudyFile:
    """A stored study, of file `text`, with changes as `open_study` takes them.

    Raises:
        UserError: a change does not fit.
    """
    return _changed(f"study {study.name!r}", text, Document(study.model_dump(mode="json")), sets, None)


def read_study(name_or_path: str, sets: Sequence[str] = ()) -> tuple[StudySpec, str]:
    """A study file as a value, and its text verbatim; see `open_study`.

    Raises:
        UserError: there is no such file, or a change is not of that form.
        SpecError: what is wrong in it, all at once, each with its path and line, or with the change it comes from.
    """
    file = open_study(name_or_path, sets)
    if file.study is None or file.faults:
        raise SpecError(file.where, file.faults)
    return file.study, file.text


def _changed(where: str, text: str, document: Document, sets: Sequence[str], path: Path | None) -> StudyFile:
    changes = tuple(_Change(change) for change in sets)
    misfits = [fault for change in changes if (fault := change.apply(document.data))]
    if misfits:
        raise SpecError("--set", misfits)
    for key in PATHS:
        changed = any(key == c.key or key.startswith(f"{c.key}.") for c in changes)
        make_absolute(document.data, key, Path.cwd() if changed or path is None else path.parent)
    if document.data.get("name") is None and path is not None:
        document.data["name"] = path.stem
    study, faults = _parsed(document.data)
    file = StudyFile(where, text, study, (), document, changes)
    return replace(file, faults=tuple(file.located(faults)))


def _parsed(data: dict[str, Any]) -> tuple[StudySpec | None, tuple[Fault, ...]]:
    """The study, or the one without its faulty values, and the faults."""
    try:
        return StudySpec.parse(data), ()
    except SpecError as error:
        faults = error.faults
    rest = deepcopy(data)
    for fault in faults:
        *above, last = fault.path.partition("[")[0].split(".")
        place: Any = rest
        for step in above:
            place = place.get(step) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    try:
        return StudySpec.parse(rest), faults
    except SpecError:
        return None, faults


def read_space(given: str | Mapping[str, Any]) -> SearchSpace:
    """A search space file, or the same as a mapping, as a value; the name of a file's space defaults to its stem.

    Raises:
        UserError: there is no such file.
        SpecError: what is wrong in it, with paths and lines.
    """
    if not isinstance(given, str):
        return SearchSpace.parse({"name": "own"} | dict(given), "search_space")
    name_or_path = given
    path = find("search_spaces", name_or_path)
    document = parse(read(path), str(path))
    if not isinstance(document.data, dict):
        raise SpecError(str(path), [Fault("", "is no search space: it should be a mapping with parameters:")])
    try:
        return SearchSpace.parse({"name": path.stem} | document.data)
    except SpecError as error:
        faults = [Fault(f.path, f.message + _origin(f.path, document, ())) for f in error.faults]
        raise SpecError(str(path), faults) from None


def certificates() -> dict[str, Certificate]:
    """The certificates that come with the shipped studies, by study: of their tasks, data and weights, as measured."""
    files = sorted((folder("studies") / "certificates").glob("*.json"))
    return {file.stem: Certificate.parse(json.loads(read(file)), str(file)) for file in files}


class _Change:
    """One `key.path=value`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.key, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[^.\[\]]+(?:\[\d+\])*(?:\.[^.\[\]]+(?:\[\d+\])*)*", self.key):
            raise UserError(f"--set {text}: write it as key.path=value, such as task.epochs=1")
        self.steps = [int(i) if i else name for name, i in re.findall(r"([^.\[\]]+)|\[(\d+)\]", self.key)]
        self.value = load_yaml(value, f"--set {text}")

    def apply(self, data: Any) -> Fault | None:
        """Change `data` in place, making mappings on the way; a fault where the path does not fit the data."""
        shown = ""
        for k, step in enumerate(self.steps):
            if isinstance(step, int) and not isinstance(data, list):
                return Fault(self.key, f"{shown} is no list in the file; set it whole")
            if isinstance(step, str) and not isinstance(data, dict):
                return Fault(self.key, f"{shown} is {str(data)[:40]!r}, which has no keys")
            if isinstance(step, int) and step >= len(data):
                return Fault(self.key, f"{shown} has {len(data)} entries, counted from 0")
            if k == len(self.steps) - 1:
                data[step] = self.value
                return None
            if isinstance(step, str) and data.get(step) is None and isinstance(self.steps[k + 1], str):
                data[step] = {}
            data = data[step] if isinstance(step, int) else data.get(step)
            shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
        return None


def make_absolute(data: Any, key: str, base: Path) -> None:
    """Change the path at `key`, one of PATHS, in place, if there is one; it is relative to `base`."""
    *above, last = key.split(".")
    for step in above:
        data = data.get(step) if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get(last), str):
        return
    if last != "search_space" or is_path(data[last]):
        data[last] = os.path.abspath(base / os.path.expanduser(data[last]))


def _origin(path: str, document: Document, changes: Sequence[_Change]) -> str:
    """Where the value at `path` was written, for the end of a sentence."""
    for change in reversed(changes):
        if re.match(rf"{re.escape(change.key)}(?:[.\[]|\Z)", path):
            return f" (from --set {change.text})"
    line = document.line_of(path)
    return f" (line {line})" if line else ""
