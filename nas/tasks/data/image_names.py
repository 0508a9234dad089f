"""ImageNames: the images that one file lists, found by their names, and a word on those found in another place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.tasks.data.faults import Faults
from nas.tasks.data.named_files import NamedFiles


class ImageNames:
    """Paths of the images that the file `place` names, relative to one of `bases`, the usual one first."""

    def __init__(self, files: NamedFiles, bases: Sequence[Path], place: str) -> None:
        self._files = files
        self._bases = bases
        self._place = place
        self._names: dict[Path, set[str]] = {}
        self._moved: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Where the image lies; where nothing is, if it is missing."""
        path = self._files.find(name, self._bases)
        if path is None:
            written = self._bases[0] / name
            return written if self._files.holds(written) else self._bases[0] / Path(name).name
        self._names.setdefault(path, set()).add(name)
        if not any(path == base / name for base in self._bases):
            self._moved[name] = path
        return path

    def shared(self, faults: Faults) -> set[Path]:
        """Image files that several names lead to, so that it is not known whose boxes they show.

        Reports these as faults, and notes how many images lie elsewhere than they are said to.
        """
        shared = {path: names for path, names in self._names.items() if len(names) > 1 and names & self._moved.keys()}
        for path, names in shared.items():
            faults.add("image file that several names lead to", f"{self._place}, {' and '.join(sorted(names))}: {path}")
        moved = [name for name, path in self._moved.items() if path not in shared]
        if moved:
            path = self._moved[moved[0]].relative_to(self._files.root)
            faults.note(
                f"{self._place}: {len(moved)} names of images are read without their folders or in another spelling, "
                f"such as {moved[0]} as {path}"
            )
        return set(shared)
