"""Study and search space files: found by name or path, read with every fault and its line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from nas.errors import Fault, SpecError, UserError
from nas.study import StudySpec
from nas.yaml12 import Document, dump_yaml, load_yaml, parse

__all__ = ["Kind", "dump_yaml", "find", "load_yaml", "names", "read", "read_study"]

Kind = Literal["studies", "search_spaces"]

_WORDS: dict[str, str] = {"studies": "study", "search_spaces": "search space"}
_PATHS = ("task.data.root", "task.backbone.checkpoint", "search_space")


def folder(kind: Kind) -> Path:
    """Where the shipped files are: in the installed package, or in the repository of an editable install."""
    installed = Path(__file__).parent / "_shipped" / kind
    return installed if installed.is_dir() else Path(__file__).parents[1] / kind


def names(kind: Kind) -> list[str]:
    """Names of the shipped files."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml"))


def find(kind: Kind, name_or_path: str) -> Path:
    """The file meant by a shipped name (`quickstart`, `studies/quickstart.yaml`) or a path.

    Raises:
        UserError: there is none; names those that there are.
    """
    path = Path(os.path.expanduser(name_or_path))
    if _is_path(name_or_path) and path.is_file():
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


def read_study(name_or_path: str, sets: Sequence[str] = ()) -> tuple[StudySpec, str]:
    """A study file as a value, and its text verbatim.

    `sets` are changes in the form `key.path=value`, values in YAML (`objectives[0].metric=ap50`). The name defaults
    to the file's stem. Paths in the file are relative to the file, those in `sets` to the working folder; the value
    has them absolute.

    Raises:
        UserError: there is no such file, or a change is not of that form.
        SpecError: what is wrong in it, all at once, each with its path and line, or with the change it comes from.
    """
    path = find("studies", name_or_path)
    text = read(path)
    document = parse(text, str(path))
    if not isinstance(document.data, dict):
        raise SpecError(str(path), [Fault("", "is no study: it should be a mapping with at least task:")])
    changes = [_Change(change) for change in sets]
    faults = [fault for change in changes if (fault := change.apply(document.data))]
    if faults:
        raise SpecError("--set", faults)
    for key in _PATHS:
        changed = any(key == c.key or key.startswith(f"{c.key}.") for c in changes)
        _make_absolute(document.data, key.split("."), Path.cwd() if changed else path.parent)
    if document.data.get("name") is None:
        document.data["name"] = path.stem
    try:
        return StudySpec.parse(document.data), text
    except SpecError as error:
        faults = [Fault(f.path, f.message + _origin(f.path, document, changes)) for f in error.faults]
        raise SpecError(str(path), faults) from None


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


def _is_path(text: str) -> bool:
    return "/" in text or text.endswith((".yaml", ".yml"))


def _make_absolute(data: Any, steps: list[str], base: Path) -> None:
    for step in steps[:-1]:
        data = data.get(step) if isinstance(data, dict) else None
    last = steps[-1]
    if not isinstance(data, dict) or not isinstance(data.get(last), str):
        return
    if last != "search_space" or _is_path(data[last]):
        data[last] = os.path.abspath(base / os.path.expanduser(data[last]))


def _origin(path: str, document: Document, changes: Sequence[_Change]) -> str:
    """Where the value at `path` was written, for the end of a sentence."""
    for change in reversed(changes):
        if re.match(rf"{re.escape(change.key)}(?:[.\[]|\Z)", path):
            return f" (from --set {change.text})"
    line = document.line_of(path)
    return f" (line {line})" if line else ""
