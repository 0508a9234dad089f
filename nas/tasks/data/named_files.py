"""NamedFiles: the files of a data set by the names that its annotations give them, never one outside of its folder.

Names come from other machines and tools: with backslashes, drives, folders that are not here, quoted as in a URL, in
another Unicode form or with an extension in another case.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote


class NamedFiles:
    """The files and folders under `root`. What a folder lists is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside = Path(os.path.abspath(root))
        self._listed: dict[Path, dict[str, list[Path]]] = {}

    def find(self, name: str, bases: Sequence[Path]) -> Path | None:
        """The file or folder called `name`, relative to one of `bases`; of its folders the first ones may be others."""
        if (exact := self._exact(name, bases)) is not None:
            return exact
        for parts in _readings(name):
            for k in range(len(parts)):
                for base in bases:
                    if (path := self.at(base.joinpath(*parts[k:]))) is not None:
                        return path
        return None

    def at(self, path: Path) -> Path | None:
        """`path` if it is there, else the one file beside whose name differs in its Unicode form or the case of its
        extension.
        """
        if not self.holds(path):
            return None
        if os.path.exists(path):  # unlike Path.exists, for names too long or with zero bytes too
            return path
        alike = self._entries(path.parent).get(_spelled(path.name), [])
        return alike[0] if len(alike) == 1 else None

    def holds(self, path: Path) -> bool:
        """The path does not lead out of the root; links that lie in it may."""
        return Path(os.path.abspath(path)).is_relative_to(self._inside)

    def _exact(self, name: str, bases: Sequence[Path]) -> Path | None:
        tried = [base / name for base in bases]
        return next((path for path in tried if self.holds(path) and os.path.exists(path)), None)

    def _entries(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._listed:
            found: dict[str, list[Path]] = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                found.setdefault(_spelled(path.name), []).append(path)
            self._listed[folder] = found
        return self._listed[folder]


def composed(name: str) -> str:
    """The name with each accented letter as one character: macOS writes two."""
    return unicodedata.normalize("NFC", name)


def _spelled(name: str) -> str:
    stem, extension = os.path.splitext(composed(name))
    return stem + extension.lower()


def _readings(name: str) -> Iterator[list[str]]:
    """The parts of a path that `name` may mean: as it is, and unquoted; what leads out of a folder is left out."""
    for text in dict.fromkeys((name, unquote(name), unquote(name).partition("?d=")[2])):
        slashed = re.sub(r"^[A-Za-z]:", "", text.strip()).replace("\\", "/")
        parts = [part for part in slashed.split("/") if part not in ("", ".")]
        last_up = max((k for k, part in enumerate(parts) if part == ".."), default=-1)
        if parts[last_up + 1 :]:
            yield parts[last_up + 1 :]
