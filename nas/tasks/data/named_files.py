"""NamedFiles: the files of a data set by the names that its annotations give them, never one outside of its folder.

Names come from other machines and tools: with backslashes, drives, folders that are not here, quoted as in a URL, in
another Unicode form or with an extension in another case.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from nas.errors import UserError
from nas.tasks.data.faults import Faults


class NamedFiles:
    """The files and folders under `root`. Each folder is listed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside = Path(os.path.abspath(root))
        self._entries = listing(lambda path: _spelled(path.name))

    def find(self, name: str, bases: Sequence[Path]) -> Path | None:
        """The file or folder `name` relative to one of `bases`, perhaps without its first folders."""
        tried = [base / name for base in bases]
        if exact := next((path for path in tried if self.holds(path) and os.path.exists(path)), None):
            return exact
        ends = (parts[k:] for parts in _readings(name) for k in range(len(parts)))
        found = (self.at(base.joinpath(*end)) for end in ends for base in bases)
        return next((path for path in found if path is not None), None)

    def at(self, path: Path) -> Path | None:
        """`path` if it is there, else the one file beside it whose name differs only in its Unicode form or the case of
        its extension.
        """
        if not self.holds(path):
            return None
        if os.path.exists(path):  # unlike Path.exists, for names too long or with zero bytes too
            return path
        alike = self._entries(path.parent).get(_spelled(path.name), [])
        return alike[0] if len(alike) == 1 else None

    def holds(self, path: Path) -> bool:
        """Whether the path stays in the root; a link in the root may lead out of it."""
        return Path(os.path.abspath(path)).is_relative_to(self._inside)

    def relative(self, path: Path) -> Path:
        """The path as a user reads it: relative to the root if it lies there."""
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path


class ImageNames:
    """Paths of the images that the file `place` names, relative to one of `bases`, the usual one first."""

    def __init__(self, files: NamedFiles, bases: Sequence[Path], place: str) -> None:
        self._files = files
        self._bases = bases
        self._place = place
        self._names: defaultdict[Path, set[str]] = defaultdict(set)
        self._moved: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Where the image is; if it is missing, where it should be."""
        path = self._files.find(name, self._bases)
        if path is None:
            written = self._bases[0] / name
            return written if self._files.holds(written) else self._bases[0] / Path(name).name
        self._names[path].add(name)
        if not any(path == base / name for base in self._bases):
            self._moved[name] = path
        return path

    def ambiguous(self, faults: Faults) -> set[Path]:
        """Image files that several names lead to, so that it is not known whose boxes they show.

        Reports these as faults, and notes how many images are elsewhere than named.
        """
        shared = {path: names for path, names in self._names.items() if len(names) > 1 and names & self._moved.keys()}
        for path, names in shared.items():
            faults.add("image file that several names lead to", f"{self._place}, {' and '.join(sorted(names))}: {path}")
        moved = [name for name, path in self._moved.items() if path not in shared]
        if moved:
            faults.note(
                f"{self._place}: {len(moved)} names of images are read without their folders or in another spelling, "
                f"such as {moved[0]} as {self._moved[moved[0]].relative_to(self._files.root)}"
            )
        return set(shared)


def listing(key: Callable[[Path], str | None]) -> Callable[[Path], Mapping[str, list[Path]]]:
    """A function that lists a folder, sorted, by a key of each entry; entries with the key None are left out."""

    @cache
    def entries(folder: Path) -> dict[str, list[Path]]:
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.iterdir()) if os.path.isdir(folder) else []:
            if (name := key(path)) is not None:
                found[name].append(path)
        return dict(found)

    return entries


def is_image(path: Path) -> bool:
    """Whether the extension is that of an image."""
    return path.suffix.lower() in Image.registered_extensions()


def is_array(path: Path) -> bool:
    """Whether the extension is that of an array, which is an image where a study declares channels."""
    return path.suffix.lower() == ".npy"


def read_lines(path: Path) -> list[str]:
    """The lines of a text file of any tool, without blanks around them. UserError: it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    return [line.strip() for line in text.splitlines()]


def composed(name: str) -> str:
    """The name with each accented letter as one character: macOS writes two."""
    return unicodedata.normalize("NFC", name)


def _spelled(name: str) -> str:
    stem, extension = os.path.splitext(composed(name))
    return stem + extension.lower()


def _readings(name: str) -> Iterator[list[str]]:
    """The parts of a path that `name` may mean: as it is, and unquoted; without what leads out of a folder."""
    for text in dict.fromkeys((name, unquote(name), unquote(name).partition("?d=")[2])):
        slashed = re.sub(r"^[A-Za-z]:", "", text.strip()).replace("\\", "/")
        parts = [part for part in slashed.split("/") if part not in ("", ".")]
        last_up = max((k for k, part in enumerate(parts) if part == ".."), default=-1)
        if parts[last_up + 1 :]:
            yield parts[last_up + 1 :]
