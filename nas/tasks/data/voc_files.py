"""VocFiles: the XML and the image file of each name, in the layouts of VOC data."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from nas.tasks.data.faults import Faults
from nas.tasks.data.layouts import Part
from nas.tasks.data.named_files import NamedFiles, composed


class VocFiles:
    """The files of a part, by names: those of its list, or of its XML files."""

    def __init__(self, root: Path, part: Part) -> None:
        assert part.annotations is not None
        assert part.images is not None
        self.annotations = part.annotations
        self.images = part.images
        self.listed = part.listed
        self._root = root
        self._files = NamedFiles(root)
        self._known = Image.registered_extensions()
        self._stems: dict[Path, dict[str, list[Path]]] = {}

    def names(self, faults: Faults) -> list[str]:
        """The names of the images of the part."""
        if self.listed is not None:
            return read_list(self.listed)
        names = sorted(path.stem for path in self.annotations.iterdir() if path.suffix.lower() == ".xml")
        lone = self._images_in(self.images).keys() - {composed(name) for name in names}
        if lone:
            faults.note(f"{len(lone)} images in {self._told(self.images)} have no XML file and are not used")
        return names

    def xml(self, name: str) -> tuple[Path | None, str]:
        """The XML file of an image, None if there is none, and what it is called in reports."""
        bare = name[: -len(suffix)] if (suffix := Path(name).suffix).lower() in self._known else name
        tried = [self.annotations / f"{one}.xml" for one in dict.fromkeys((name, bare))]
        path = next((found for one in tried if (found := self._files.at(one)) is not None), None)
        return path, str(self._told(path or tried[0]))

    def image(self, xml: Path, stated: str) -> Path | None:
        """The image of an XML file, named as it or, if that leaves a choice or nothing, as the file `stated` in it.

        Returns:
            None: there are several, and it is not stated which.
        """
        folder = self.images / xml.parent.relative_to(self.annotations)
        own = self._images_in(folder).get(composed(xml.stem), [])
        if len(own) == 1:
            return own[0]
        named = self._files.find(stated, (folder,)) if stated else None
        if own:
            return named if named in own else None
        return named if named is not None and named.is_file() else folder / f"{xml.stem}.jpg"

    def _images_in(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._stems:
            found: dict[str, list[Path]] = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                if path.suffix.lower() in self._known:
                    found.setdefault(composed(path.stem), []).append(path)
            self._stems[folder] = found
        return self._stems[folder]

    def _told(self, path: Path) -> Path:
        return path.relative_to(self._root) if path.is_relative_to(self._root) else path


def read_list(path: Path) -> list[str]:
    """The lines of a list of images, each once."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))
