"""Tree: a folder in which files and folders are looked for by patterns, in any case: Annotations, annotations."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path


class Tree:
    """A folder; what it lists is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def look_up(self, pattern: str) -> Path | None:
        """What is there of `pattern` (see `Layout`), or None."""
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

    def _named(self, folder: Path, name: str) -> Path | None:
        """The entry `name` of a folder: in just this case if there is one."""
        if not name:
            return folder
        spellings = self._entries(folder).get(name.lower(), [])
        return folder / (name if name in spellings else spellings[0]) if spellings else None

    def _entries(self, folder: Path) -> dict[str, list[str]]:
        """The names in a folder by their lower case."""
        if folder not in self._listed:
            found: dict[str, list[str]] = {}
            for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
                found.setdefault(name.lower(), []).append(name)
            self._listed[folder] = found
        return self._listed[folder]
