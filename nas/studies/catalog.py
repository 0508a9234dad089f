"""Study and search space files: found by name or path, and read with every fault and its line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

Kind = Literal["studies", "search_spaces"]

PATHS = ("task.data.root", "task.backbone.checkpoint", "search_space")
"""Keys of a study that may be paths, relative to its file."""


def folder(kind: Kind) -> Path:
    """The folder of the shipped files: in the installed package, or in the repository of an editable install."""
    package = Path(nas.__file__).parent
    installed = package / "_shipped" / kind
    return installed if installed.is_dir() else package.parent / kind


def names(kind: Kind) -> list[str]:
    """Names of the shipped files."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml"))


def is_path(text: str) -> bool:
    """Whether a text is the path of a file, and not the name of something."""
    return "/" in text or text.endswith((".yaml", ".yml"))


def find(kind: Kind, name_or_path: str) -> Path:
    """The file of a shipped name (`quickstart`, `studies/quickstart.yaml`) or of a path.

    Raises:
        UserError: there is none. The message lists the shipped names.
    """
    path = Path(os.path.expanduser(name_or_path))
    if is_path(name_or_path) and path.is_file():
        return path
    shipped = names(kind)
    stem = path.name.removesuffix(".yaml")
    if path.parent in (Path(), Path(kind)) and stem in shipped:
        return folder(kind) / f"{stem}.yaml"
    what = "study" if kind == "studies" else "search space"
    if path.is_dir():
        raise UserError(f"{name_or_path} is a folder, not a {what} file")
    close = get_close_matches(path.stem, shipped, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    known = ", ".join(shipped) or "none"
    raise UserError(f"there is no {what} {name_or_path!r}: not a file, and shipped are {known}{hint}")


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
    """A study as it was written: a file with changes.

    Attributes:
        where: the file, for messages.
        text: its text, verbatim.
        study: the study; with faults, what remains without the faulty values, or None if that is too little.
        faults: the faults of its form.
        document: its data with the changes, and the lines of its keys.
        changes: the changes of `--set`.
    """

    where: str
    text: str
    study: StudySpec | None
    faults: tuple[Fault, ...]
    document: Document
    changes: tuple[_Change, ...]

    @classmethod
    def from_study(cls, study: StudySpec) -> StudyFile:
        """The file of a study that was made in Python."""
        data = study.to_dict()
        return cls(study.name or "study", dump_yaml(data), study, (), Document(data), ())

    def located(self, faults: Iterable[Fault]) -> list[Fault]:
        """The faults, each with its line or the change that it comes from."""
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
    """A study file with changes, with or without faults. The study's name defaults to the file's stem.

    Args:
        name_or_path: as in `find`.
        sets: changes such as `task.epochs=1` or `objectives[0].metric=ap50`; values are YAML. Paths in changes are
            relative to the working folder, those in the file to the file.

    Raises:
        UserError: there is no such file, it holds no mapping, or a change does not fit.
    """
    path = find("studies", name_or_path)
    text, document = _open(path, "is no study: it should be a mapping with at least task:")
    bases = {True: Path.cwd(), False: path.parent}
    return _changed(str(path), text, document, sets, lambda changed: _below(bases[changed]), path.stem)


def parse_study(text: str, sets: Sequence[str], name: str | None, place: Callable[[str], str]) -> StudyFile:
    """A study from its text alone, with changes as in `open_study`, with or without faults.

    Args:
        text: of the file.
        sets: the changes.
        name: of the study, in place of the text's.
        place: the absolute path that a path in the text or in a change means.

    Raises:
        UserError: the text holds no mapping, or a change does not fit.
    """
    where = "the study"
    document = _mapping(text, where, "should be a mapping with at least task:")
    if name is not None and isinstance(document.data, dict):
        document.data["name"] = name
    return _changed(where, text, document, sets, lambda changed: place)


def change_study(study: StudySpec, text: str, sets: Sequence[str]) -> StudyFile:
    """A stored study, of file `text`, with changes as in `open_study`.

    Raises:
        UserError: a change does not fit.
    """
    document = Document(study.model_dump(mode="json"))
    return _changed(f"study {study.name!r}", text, document, sets, lambda changed: _below(Path.cwd()))


def read_study(name_or_path: str, sets: Sequence[str] = ()) -> tuple[StudySpec, str]:
    """A study and its file's text, verbatim; see `open_study`.

    Raises:
        UserError: there is no such file, or a change does not fit.
        SpecError: the study has faults; all of them, located.
    """
    file = open_study(name_or_path, sets)
    if file.study is None or file.faults:
        raise SpecError(file.where, file.faults)
    return file.study, file.text


def read_space(given: str | Mapping[str, Any]) -> SearchSpace:
    """A search space from its file's name or path, or from a mapping. A file's name defaults to its stem.

    Raises:
        UserError: there is no such file.
        SpecError: the space has faults; all of them, located.
    """
    if not isinstance(given, str):
        return SearchSpace.parse({"name": "own"} | dict(given), "search_space")
    path = find("search_spaces", given)
    _, document = _open(path, "is no search space: it should be a mapping with parameters:")
    try:
        return SearchSpace.parse({"name": path.stem} | document.data)
    except SpecError as error:
        faults = [Fault(f.path, f.message + _origin(f.path, document, ())) for f in error.faults]
        raise SpecError(str(path), faults) from None


def certificates() -> dict[str, Certificate]:
    """The shipped certificates by the names of their studies."""
    files = sorted((folder("studies") / "certificates").glob("*.json"))
    return {file.stem: Certificate.parse(json.loads(read(file)), str(file)) for file in files}


def make_absolute(data: Any, base: Path) -> None:
    """Make the paths of a study's data absolute, in place. They are relative to `base`."""
    for key in PATHS:
        _place(data, key, _below(base))


def _place(data: Any, key: str, place: Callable[[str], str]) -> None:
    *above, last = key.split(".")
    found = _descend(data, above)
    if found is not None and isinstance(found.get(last), str) and (key != "search_space" or is_path(found[last])):
        found[last] = place(found[last])


def _below(base: Path) -> Callable[[str], str]:
    return lambda path: os.path.abspath(base / os.path.expanduser(path))


def _open(path: Path, fault: str) -> tuple[str, Document]:
    """Text and document of a file; `fault` is the message if it holds no mapping."""
    text = read(path)
    return text, _mapping(text, str(path), fault)


def _mapping(text: str, where: str, fault: str) -> Document:
    document = parse(text, where)
    if not isinstance(document.data, dict):
        raise SpecError(where, [Fault("", fault)])
    return document


def _changed(
    where: str,
    text: str,
    document: Document,
    sets: Sequence[str],
    place: Callable[[bool], Callable[[str], str]],
    name: str | None = None,
) -> StudyFile:
    """A study with changes.

    Args:
        where: the file, for messages.
        text: its text.
        document: its data.
        sets: the changes.
        place: says for a path that was changed, or was not, which absolute path it means.
        name: of a study without one.
    """
    changes = tuple(_Change(change) for change in sets)
    misfits = [fault for change in changes if (fault := change.apply(document.data))]
    if misfits:
        raise SpecError("--set", misfits)
    for key in PATHS:
        changed = any(key == c.key or key.startswith(f"{c.key}.") for c in changes)
        _place(document.data, key, place(changed))
    if document.data.get("name") is None and name is not None:
        document.data["name"] = name
    study, faults = _parse_partly(document.data)
    file = StudyFile(where, text, study, (), document, changes)
    return replace(file, faults=tuple(file.located(faults)))


def _parse_partly(data: dict[str, Any]) -> tuple[StudySpec | None, tuple[Fault, ...]]:
    """The study and its faults; with faults, the study without the faulty values, or None."""
    try:
        return StudySpec.parse(data), ()
    except SpecError as error:
        faults = error.faults
    rest = deepcopy(data)
    for fault in faults:
        *above, last = fault.path.partition("[")[0].split(".")
        if (place := _descend(rest, above)) is not None:
            place.pop(last, None)
    try:
        return StudySpec.parse(rest), faults
    except SpecError:
        return None, faults


def _descend(data: Any, keys: Iterable[str]) -> dict[str, Any] | None:
    """The mapping at a path of keys, if there is one."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


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
        """Change `data` in place, with new mappings where needed; a fault if the path does not fit the data."""
        place = ""
        for step, following in zip(self.steps, [*self.steps[1:], None], strict=True):
            if isinstance(step, int) and not isinstance(data, list):
                return Fault(self.key, f"{place} is no list in the file; set it whole")
            if isinstance(step, str) and not isinstance(data, dict):
                return Fault(self.key, f"{place} is {str(data)[:40]!r}, which has no keys")
            if isinstance(step, int) and step >= len(data):
                return Fault(self.key, f"{place} has {len(data)} entries, counted from 0")
            if following is None:
                data[step] = self.value
            elif isinstance(step, str) and isinstance(following, str) and data.get(step) is None:
                data[step] = {}
            data = data[step] if isinstance(step, int) else data.get(step)
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
        return None


def _origin(path: str, document: Document, changes: Sequence[_Change]) -> str:
    """Where the value at `path` was written, for the end of a sentence."""
    for change in reversed(changes):
        if re.match(rf"{re.escape(change.key)}(?:[.\[]|\Z)", path):
            return f" (from --set {change.text})"
    line = document.line_of(path)
    return f" (line {line})" if line else ""
