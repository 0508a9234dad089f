"""YoloFolder: where the images and labels of a YOLO data set are, by its data.yaml or by its layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data import layouts
from nas.tasks.data.class_names import read_name
from nas.tasks.data.data_yaml import DataYaml
from nas.tasks.data.faults import Faults
from nas.tasks.data.image_names import ImageNames
from nas.tasks.data.named_files import NamedFiles

_CLASSES = ("classes.txt", "obj.names", "labels/classes.txt", "images/classes.txt")


class YoloFolder(NamedTuple):
    """A YOLO data set before its labels are read.

    Attributes:
        root: all files are under it.
        names: the classes by number.
        keypoints: see `DataYaml`.
        train: folders and lists of images.
        val: the same; without any the split is by seed.
        labels: folders of labels, each with the folder of images that it belongs to.
        layout: what is announced.
        faults: what keeps the data from being read.
    """

    root: Path
    names: dict[int, str]
    keypoints: tuple[int, int] | None
    train: tuple[Path, ...]
    val: tuple[Path, ...]
    labels: tuple[tuple[Path, Path], ...]
    layout: str
    faults: tuple[Fault, ...]

    def told(self, path: Path) -> Path:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def images(self, places: tuple[Path, ...], files: NamedFiles, faults: Faults) -> list[Path]:
        """The images in folders and lists, each once."""
        known = Image.registered_extensions()
        found: list[Path] = []
        for place in places:
            if place.is_dir():
                beside = (place, place) in self.labels and place == self.root
                inside = place.iterdir() if beside else place.rglob("*")
                found += sorted(path for path in inside if path.suffix.lower() in known)
                continue
            names = ImageNames(files, (place.parent, self.root), str(self.told(place)))
            lines = place.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            listed = [names.path(line.strip()) for line in lines if line.strip()]
            shared = names.shared(faults)
            found += [path for path in listed if path not in shared]
        return list(dict.fromkeys(Path(str(path)) for path in found))

    def label_files(self, image: Path) -> Iterator[Path]:
        """Where the labels of an image may be: in the layout's folder, in `labels` for `images`, and beside it."""
        for folder, images in self.labels:
            if image.is_relative_to(images):
                yield folder / image.relative_to(images).with_suffix(".txt")
        above = [parent for parent in image.parents if parent.name == "images" and parent.is_relative_to(self.root)]
        if above:
            labels = above[0].with_name("labels") / image.relative_to(above[0])
            yield labels.with_suffix(".txt")
        yield image.with_suffix(".txt")


def read_folder(spec: DataSpec, faults: Faults) -> YoloFolder:
    """See `YoloFolder`.

    Raises:
        SpecError: data.yaml cannot be read.
    """
    yaml = DataYaml(spec)
    files = NamedFiles(yaml.root)
    places = {part: yaml.places(part, files) for part in ("train", "val", "test")}
    found = layouts.find(yaml.root, "yolo") if not places["train"] and not places["val"] else None
    if found is None:
        unused = [place.path for place in places["test"] if place.path is not None]
        train, val = (tuple(p.path for p in places[part] if p.path is not None) for part in ("train", "val"))
        labels = []
    else:
        parts = [part for part in (found.train, found.val) if part is not None]
        unused = list(found.unused)
        train, *rest = [tuple(path for path in (part.listed or part.images,) if path is not None) for part in parts]
        val = rest[0] if rest else ()
        labels = [(part.annotations, part.images) for part in parts if part.annotations and part.images]
    for path in unused:
        faults.note(f"{path.relative_to(yaml.root)} is not used")
    for place in places["train"] + places["val"]:
        if place.moved and place.path is not None:
            faults.note(f"data.yaml: {place.written} is read as {place.path.relative_to(yaml.root)}")
    names = yaml.names or _listed(yaml.root, found.names if found is not None else None)
    return YoloFolder(
        root=yaml.root,
        names={number: read_name(name, faults) for number, name in names.items()}
        or dict(enumerate(spec.classes or ())),
        keypoints=yaml.keypoints,
        train=train,
        val=val,
        labels=tuple(labels),
        layout=found.layout.name if found is not None and not found.layout.plain else yaml.tool,
        faults=tuple(Fault("root", yaml.absent(p)) for p in places["train"] + places["val"] if p.path is None),
    )


def _listed(root: Path, path: Path | None) -> dict[int, str]:
    """The classes of a text file, a line each."""
    path = path or next((file for name in _CLASSES if (file := root / name).is_file()), None)
    if path is None:
        return {}
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
