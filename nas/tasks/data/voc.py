"""Pascal VOC: an XML file an image, in the layouts of `nas.tasks.data.layouts`.

Without lists or folders of parts a share of the images, drawn by seed, is for validation. Corners count from 1 and are
inclusive (VOC2012 development kit, section 4); `difficult` objects are neither to be found nor counted as errors.
`size` is compared with the image and decides which way up it is read; where it is missing or 0 x 0 nothing is compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from PIL import Image

from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Box, Parts, Unseen, find_layout, read_stated, seeded
from nas.tasks.data.classes import note_case, read_name
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import build
from nas.tasks.data.layouts import Match, Part
from nas.tasks.data.named_files import NamedFiles, composed, is_image, listing, read_lines
from nas.tasks.data.unseen import find

_LISTS = "ImageSets/Main"
_TEST = f"{_LISTS}/test.txt"


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder. Raises UserError, see `folder.build`."""
    faults = Faults()
    found = find_layout(spec, "voc", faults)
    files = [VocFiles(found.root, part) for part in (found.train, found.val or found.train)]
    *names, how = _names(spec, found, files, faults)
    train, val = (_annotated(own, part, faults) for own, part in zip(files, names, strict=True))
    classes = sorted({box.label for item in train + val for box in item.boxes})
    note_case(classes, faults)
    parts = Parts(train, val, found.how(how), _test(found, classes, faults))
    return build(spec, parts, tuple(classes), image_size, held, faults)


class VocFiles:
    """The files of a part, by names: those of its list, or of its XML files."""

    def __init__(self, root: Path, part: Part) -> None:
        assert part.annotations is not None
        assert part.images is not None
        self.annotations = part.annotations
        self.images = part.images
        self.listed = part.listed
        self._files = NamedFiles(root)
        self._images_in = listing(lambda path: composed(path.stem) if is_image(path) else None)

    def names(self, faults: Faults) -> list[str]:
        """The names of the images of the part."""
        if self.listed is not None:
            return read_list(self.listed)
        names = sorted(path.stem for path in self.annotations.iterdir() if path.suffix.lower() == ".xml")
        lone = self._images_in(self.images).keys() - {composed(name) for name in names}
        if lone:
            faults.note(f"{len(lone)} images in {self._files.relative(self.images)} have no XML file and are not used")
        return names

    def xml(self, name: str) -> tuple[Path | None, str]:
        """The XML file of an image, None if there is none, and what it is called in reports."""
        bare = name[: -len(suffix)] if (suffix := Path(name).suffix).lower() in Image.registered_extensions() else name
        tried = [self.annotations / f"{one}.xml" for one in dict.fromkeys((name, bare))]
        path = next((found for one in tried if (found := self._files.at(one)) is not None), None)
        return path, str(self._files.relative(path or tried[0]))

    def image(self, xml: Path, stated: str) -> Path | None:
        """The image of an XML file: the one of the same name, or, if there is not just one, the file `stated` in it.

        Returns:
            None: there are several, and the XML file names none of them.
        """
        folder = self.images / xml.parent.relative_to(self.annotations)
        own = self._images_in(folder).get(composed(xml.stem), [])
        if len(own) == 1:
            return own[0]
        named = self._files.find(stated, (folder,)) if stated else None
        if own:
            return named if named in own else None
        return named if named is not None and named.is_file() else folder / f"{xml.stem}.jpg"


def read_list(path: Path) -> list[str]:
    """The lines of a list of images, each once."""
    return list(dict.fromkeys(filter(None, read_lines(path))))


def parse(data: bytes) -> Element:
    """XML without a document type, so that no entity can be declared, let alone expanded.

    Raises:
        ValueError: this is not such XML.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"not XML: {error}") from error
    return builder.close()


def _refuse(*_: object) -> None:
    raise ValueError("a document type is not accepted")


def _names(spec: DataSpec, found: Match, files: list[VocFiles], faults: Faults) -> tuple[list[str], list[str], str]:
    """The names of the images of train and val, and how they were separated."""
    names = files[0].names(faults)
    lists = found.root / _LISTS
    if found.val is None:
        test = found.root / _TEST
        unseen = set(read_list(test)) if test.is_file() else set()
        return seeded([name for name in names if name not in unseen], spec)
    val = files[1].names(faults)
    if found.val.annotations != found.train.annotations:
        return names, val, ""
    for name in sorted(set(names) & set(val)):
        faults.add("image in train and val", f"{_LISTS}/val.txt, {name}")
    both = lists / "trainval.txt"
    more = len(set(read_list(both)) - {*names, *val}) if both.is_file() else 0
    if more:
        faults.note(f"{_LISTS}/trainval.txt is not used; it has {more} names that train.txt and val.txt lack")
    return names, [name for name in val if name not in set(names)], _LISTS


def _test(found: Match, classes: list[str], faults: Faults) -> Unseen | None:
    """The images for tests: of the layout, or of the list where there are no other lists."""
    part, place = found.test, found.test_place
    if part is None and found.val is None and (listed := found.root / _TEST).is_file():
        part, place = found.train._replace(listed=listed), _TEST
    if part is None:
        return None
    files = VocFiles(found.root, part)
    return find(place, lambda own: _annotated(files, files.names(own), own), faults, classes)


def _annotated(files: VocFiles, names: list[str], faults: Faults) -> list[Annotated]:
    result = []
    for name in names:
        xml, place = files.xml(name)
        if xml is None:
            faults.add("missing annotation", place)
            continue
        try:
            tree = parse(xml.read_bytes())
        except (OSError, ValueError):
            faults.add("unreadable annotation", place)
            continue
        path = files.image(xml, tree.findtext("filename", "").strip())
        if path is None:
            faults.add("several images of one name", place)
        else:
            boxes = _boxes(tree, place, faults)
            stated = read_stated(tree.findtext("size/width"), tree.findtext("size/height"), place, faults)
            result.append(Annotated(path, f"{place}, object", boxes, stated))
    return result


def _boxes(tree: Element, place: str, faults: Faults) -> list[Box]:
    boxes = []
    for number, item in enumerate(tree.iterfind("object"), start=1):
        try:
            x0, y0, x1, y1 = (float(item.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
            label = read_name(item.findtext("name", ""), faults)
            if not label or not np.isfinite((x0, y0, x1, y1)).all():
                raise ValueError
        except ValueError:
            faults.add("unreadable box", f"{place}, object {number}")
            continue
        if x1 <= x0 or y1 <= y0:
            # Inclusive corners would make a box of one pixel: in truth a slip of the mouse.
            faults.add("degenerate box", f"{place}, object {number} ({label})")
            continue
        difficult = item.findtext("difficult", "0").strip() == "1"
        boxes.append(Box(number, label, (x0 - 1, y0 - 1, x1, y1), difficult))
    return boxes
