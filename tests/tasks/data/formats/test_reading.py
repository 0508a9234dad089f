"""What all formats share: boxes, faults with their places, parts, and the refusal of other folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nas.errors import SpecError, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import DATA, Dataset, boxes_of, check, load, masks_of
from nas.tasks.data.formats import FORMATS
from nas.tasks.data.formats.base import Format, Found, Record
from nas.tasks.data.summary import matching_kinds
from tests.tasks.data.builders import EXPECTED, images, read
from tests.tasks.data.builders import write as write_text
from tests.tasks.data.formats.writers import FOUR, SIZED, WRITERS, Writer, fiftyone_labels

EVERY = pytest.mark.parametrize(("kind", "write"), WRITERS.items(), ids=list(WRITERS))


def spec(root: Path, kind: str, **changes: object) -> DataSpec:
    return DataSpec.parse({"kind": kind, "root": str(root)} | changes)


def test_every_format_is_tried_here() -> None:
    assert WRITERS.keys() == FORMATS.keys()


@EVERY
def test_boxes_are_read_as_they_were_drawn(tmp_path: Path, kind: str, write: Writer) -> None:
    write(tmp_path)
    assert matching_kinds(str(tmp_path), kinds=DATA)[0] == kind
    data = load(spec(tmp_path, kind), 64)
    assert read(data) == EXPECTED
    assert data.classes == ("cat", "dog")
    assert data.faults.total == 0
    assert len(data.faults.notes) == (kind == "labelstudio")  # its names have folders of its server
    assert data.split == f"{FORMATS[kind].title}, seeded 75/25, seed 0"


def test_labels_json_of_fiftyone_too(tmp_path: Path) -> None:
    fiftyone_labels(tmp_path)
    assert matching_kinds(str(tmp_path))[0] == "fiftyone"
    assert read(load(spec(tmp_path, "fiftyone"), 64)) == EXPECTED


@EVERY
def test_faulty_boxes_are_counted_with_their_place(tmp_path: Path, kind: str, write: Writer) -> None:
    (label, good), *_ = FOUR["a"]
    faulty = [
        (label, good),
        (label, good),  # duplicate
        (label, (30, 20, 30, 20)),  # degenerate
        (label, (70, 50, 80, 60)),  # outside
        (label, (50, 40, 80, 47)),  # clipped
        (" " + label, (2, 2, 20, 20)),  # blanks
    ]
    write(tmp_path, FOUR | {"a": faulty})
    data = load(spec(tmp_path, kind), 64)
    degenerate = {"box under one pixel"} if kind == "supervisely" else {"degenerate box"}
    expected = {"duplicate box", "box outside the image", "box clipped"} | (degenerate - {"box under one pixel"})
    assert set(data.faults.counts) == expected
    for places in data.faults.examples.values():
        assert "a" in places[0]
        assert f"{FORMATS[kind].what} " in places[0]
    assert "the class ' cat' is read as 'cat', without blanks around it" in data.faults.notes
    with pytest.raises(UserError, match="refused because of strict"):
        load(spec(tmp_path, kind, strict=True), 64)


@pytest.mark.parametrize(("kind", "write"), SIZED.items(), ids=list(SIZED))
def test_a_stated_size_is_compared_with_the_image(tmp_path: Path, kind: str, write: Writer) -> None:
    write(tmp_path, size=(128, 96))
    with pytest.raises(UserError, match="image of another size than stated"):
        load(spec(tmp_path, kind), 64)


@pytest.mark.parametrize(("kind", "write"), SIZED.items(), ids=list(SIZED))
def test_a_photo_on_its_side_is_read_as_the_stated_size_demands(tmp_path: Path, kind: str, write: Writer) -> None:
    write(tmp_path)
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as image:
            stored = image.transpose(Image.Transpose.ROTATE_90)
        tags = Image.Exif()
        tags[0x0112] = 6
        stored.save(path, exif=tags)
    data = load(spec(tmp_path, kind), 64)
    assert read(data) == EXPECTED
    assert any("turned upright by the orientation tag" in note for note in data.faults.notes)


@EVERY
def test_missing_images_are_named(tmp_path: Path, kind: str, write: Writer) -> None:
    write(tmp_path)
    next(tmp_path.rglob("b.png")).unlink()
    faults = load(spec(tmp_path, kind, val_fraction=0.4), 64).faults
    assert faults.counts == {"missing image": 1}
    assert "b.png" in faults.examples["missing image"][0]


@EVERY
def test_another_folder_is_refused_in_a_sentence(tmp_path: Path, kind: str, write: Writer) -> None:
    (fault,) = check(spec(tmp_path, kind))
    assert fault.path == "root"
    assert FORMATS[kind].wanted in fault.message
    with pytest.raises(SpecError, match="is no "):
        load(spec(tmp_path, kind), 64)
    for other, form in FORMATS.items():
        if other != kind:
            write(tmp_path / kind)
            assert form.files(tmp_path / kind) == [], other


@EVERY
def test_broken_files_are_faults(tmp_path: Path, kind: str, write: Writer) -> None:
    write(tmp_path)
    form = FORMATS[kind]
    files = form.files(tmp_path)
    whole = files[-1].read_bytes()
    for cut in range(0, len(whole), max(1, len(whole) // 15)):
        files[-1].write_bytes(whole[:cut])
        try:
            data: Dataset | None = load(spec(tmp_path, kind), 64)
        except UserError:
            data = None
        # A row of CSV that is cut off may still be one.
        assert data is None or data.faults.total or kind == "csv" or read(data) == EXPECTED


class Lines(Format):
    """A package's own format: a line an object."""

    title = "lines"
    wanted = "lines.txt"

    def files(self, root: Path) -> list[Path]:
        return [path for path in [root / "lines.txt"] if path.is_file()]

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        for line in file.read_text().splitlines():
            yield line.split()[0], line.split()

    def record(self, image: Any, file: Path, root: Path) -> Record:
        return Record(image[0], (root,), [image[1:]])

    def shape(self, item: Any, record: Record) -> Found:
        x0, y0, x1, y1 = map(float, item[1:])
        return Found(item[0], (x0, y0, x1, y1), [[x0, y0, x1, y0, x1, y1, x0, y1]])


def test_a_package_adds_a_format_by_a_reader(tmp_path: Path) -> None:
    images(tmp_path)
    lines = [f"{name}.png {label} {' '.join(map(str, box))}" for name, ((label, box),) in FOUR.items()]
    write_text(tmp_path / "lines.txt", "\n".join(lines))
    boxes = load(spec(tmp_path, "lines"), 64, kinds={"lines": boxes_of(Lines())})
    assert read(boxes) == EXPECTED
    masks = load(spec(tmp_path, "lines"), 64, kinds={"lines": masks_of(Lines())}).train.masks
    assert masks is not None
    assert set(masks[0].ravel().tolist()) == {0, 1, 255}
