"""Folders of any kind: which way up, stated sizes, duplicates; with the cases that people brought."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.errors import TrialFailed, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import MASKS, Dataset, load
from nas.tasks.data.faults import OTHER_SIZE
from tests.tasks.data.folders import coco_file, voc_object, write_coco, write_image, write_voc
from tests.tasks.data.test_picture import stored

KINDS = ["voc", "coco", "yolo"]
CELL = voc_object("cell", (11, 6, 30, 25))
SIZE = 160


def read(kind: str, root: Path, size: int = SIZE, **changes: Any) -> Dataset:
    return load(DataSpec.parse({"kind": kind, "root": str(root)} | changes), size)


def counts(data: Dataset) -> tuple[int, int]:
    return len(data.train.boxes), len(data.val.boxes)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_data(cases: Path, kind: str) -> None:
    data = read(kind, cases / f"base_{kind}")
    assert counts(data) == (145, 73)
    assert (data.faults.total, data.faults.notes) == (0, [])


@pytest.mark.parametrize("kind", KINDS)
def test_photos_on_their_side_have_the_boxes_of_upright_ones(cases: Path, kind: str) -> None:
    plain, turned = (read(kind, cases / f"{case}_{kind}", strict=True) for case in ("base", "exif"))
    assert counts(turned) == (145, 73)
    assert turned.faults.notes == ["12 images turned upright by the orientation tag"]
    for one, other in ((plain.train, turned.train), (plain.val, turned.val)):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.sizes, other.sizes)
        assert other.images is not None
        assert one.images is not None
        assert np.abs(other.images.astype(int) - one.images).mean() < 2  # both went through JPEG
    assert turned.digest != plain.digest
    again = load(DataSpec.parse({"kind": kind, "root": str(cases / f"exif_{kind}")}), SIZE, held=0).val
    assert np.array_equal(again.batch(range(len(again))), turned.val.images)


def lie(file: Path) -> None:
    """State the size of the stored pixels, and give boxes of these."""
    if file.suffix == ".xml":
        text = file.read_text().replace(
            "<width>320</width><height>240</height>", "<width>240</width><height>320</height>"
        )
        file.write_text(text)
    else:
        data = json.loads(file.read_text())
        for image in data["images"]:
            image["width"], image["height"] = image["height"], image["width"]
        file.write_text(json.dumps(data))


@pytest.mark.parametrize(("kind", "files"), [("voc", "Annotations/*.xml"), ("coco", "*.json")])
def test_the_stored_pixels_are_used_where_the_stated_size_is_theirs(
    cases: Path, tmp_path: Path, kind: str, files: str
) -> None:
    root = tmp_path / kind
    shutil.copytree(cases / f"exif_{kind}", root)
    for file in root.glob(files):
        lie(file)
    data = read(kind, root)
    assert data.faults.notes == [
        "12 images used as stored in spite of the orientation tag, as the annotation's size demands"
    ]
    assert set(map(tuple, data.train.sizes.tolist())) == {(320, 240)}
    unheld = load(DataSpec.parse({"kind": kind, "root": str(root)}), SIZE, held=0).train
    assert np.array_equal(unheld.batch([0, 1]), data.train.images[:2])
    with Image.open(data.train.paths[0]) as image:
        plain = np.asarray(image.convert("RGB").resize((120, 160), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(data.train.images[0, :, :120] - plain).mean() < 2


def test_images_halved_after_they_were_annotated_are_refused(cases: Path) -> None:
    with pytest.raises(UserError) as told:
        read("coco", cases / "size_coco")
    first, second = str(told.value).splitlines()
    assert first.endswith(
        "no image in train has the size that its annotation states: were they resized after they were annotated?"
    )
    assert second.startswith(f"8 x {OTHER_SIZE}: ")
    assert ".jpg: stated 320x240, image 160x120, " in second
    assert second.endswith("(bring image and annotation to one size, or correct the stated one)")


def halve(path: Path) -> None:
    with Image.open(path) as image:
        image.resize((image.width // 2, image.height // 2)).save(path)


def double(path: Path) -> None:
    with Image.open(path) as image:
        image.resize((image.width * 2, image.height * 2)).save(path)


@pytest.mark.parametrize("kind", ["voc", "coco"])
@pytest.mark.parametrize(("change", "found"), [(halve, "160x120"), (double, "640x480")])
def test_one_image_of_another_size_is_left_out(
    cases: Path, tmp_path: Path, kind: str, change: Callable[[Path], None], found: str
) -> None:
    root = tmp_path / kind
    shutil.copytree(cases / f"base_{kind}", root)
    path = next(path for path in sorted(root.rglob("*.jpg")) if path.name == Path(read(kind, root).train.paths[3]).name)
    change(path)
    data = read(kind, root)
    assert data.faults.counts == {OTHER_SIZE: 1}
    assert data.faults.examples == {OTHER_SIZE: [f"{path}: stated 320x240, image {found}"]}
    assert len(data.train) == 7
    assert path.name not in data.train.names
    with pytest.raises(UserError, match="1 faults, refused because of strict"):
        read(kind, root, strict=True)


def test_a_voc_file_may_state_no_size(tmp_path: Path) -> None:
    root = write_voc(tmp_path, {"a": [CELL], "b": [CELL], "c": [CELL]}, ["c"])
    for name, size in (("a", "<size><width>0</width><height>0</height></size>"), ("b", "<size/>")):
        path = root / f"Annotations/{name}.xml"
        path.write_text(path.read_text().replace("<object>", f"{size}<object>"))
    data = read("voc", root)
    assert (len(data.train), data.faults.total) == (2, 0)


def test_a_coco_file_may_state_no_size(tmp_path: Path) -> None:
    content = coco_file([(1, (5, 5, 20, 20))], {1: "cell"})
    for key in ("width", "height"):
        del content["images"][0][key]
    assert read("coco", write_coco(tmp_path, content, content)).faults.total == 0


def test_an_image_that_changes_after_it_was_loaded_is_told(tmp_path: Path) -> None:
    root = write_voc(tmp_path, {"a": [CELL], "b": [CELL]}, ["b"])
    split = load(DataSpec.parse({"kind": "voc", "root": str(root)}), SIZE, held=0).train
    write_image(root / "JPEGImages/a.png", 32, 24)
    with pytest.raises(TrialFailed, match=r"a\.png can no longer be read: when loaded 64x48, image 32x24"):
        split.batch([0])


def twice(root: Path, kind: str) -> None:
    """Write every object again behind all."""
    for path in root.rglob("*.xml"):
        head, *objects = path.read_text().removesuffix("</annotation>").split("<object>")
        path.write_text("<object>".join([head, *objects, *objects]) + "</annotation>")
    for path in root.glob("*.json"):
        data = json.loads(path.read_text())
        data["annotations"] += [note | {"id": 10_000 + note["id"]} for note in data["annotations"]]
        path.write_text(json.dumps(data))
    for path in root.glob("labels/*/*.txt"):
        path.write_text(path.read_text() * 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_counts_once(cases: Path, tmp_path: Path, kind: str) -> None:
    root = tmp_path / kind
    shutil.copytree(cases / f"base_{kind}", root)
    twice(root, kind)
    data, plain = read(kind, root), read(kind, cases / f"base_{kind}")
    assert counts(data) == (145, 73)
    assert data.faults.counts == {"duplicate box": 218}
    assert np.array_equal(data.train.boxes, plain.train.boxes)
    assert np.array_equal(data.val.boxes, plain.val.boxes)


def test_every_row_twice(cases: Path) -> None:
    data = read("yolo", cases / "yolo_dup")
    assert counts(data) == (145, 73)
    assert data.faults.counts == {"duplicate box": 218}


def test_same_means_class_and_flag_too(tmp_path: Path) -> None:
    objects = [CELL, CELL.replace("cell", "rod"), CELL.replace("difficult>0", "difficult>1"), CELL]
    data = read("voc", write_voc(tmp_path, {"a": objects, "b": [CELL]}, ["b"]))
    assert data.train.crowd.tolist() == [False, False, True]
    assert data.faults.examples == {"duplicate box": ["Annotations/a.xml, object 4 (cell)"]}


def test_a_mask_counts_once(nuclei: Path, tmp_path: Path) -> None:
    for part in ("train", "val"):
        content = json.loads((nuclei / f"instances_{part}.json").read_text())
        content["images"] = content["images"][:3]
        ids = {image["id"] for image in content["images"]}
        content["annotations"] = [note for note in content["annotations"] if note["image_id"] in ids]
        (tmp_path / f"images/{part}").mkdir(parents=True)
        for image in content["images"]:
            shutil.copy(nuclei / f"images/{part}" / image["file_name"], tmp_path / f"images/{part}")
        (tmp_path / f"instances_{part}.json").write_text(json.dumps(content))
    spec = DataSpec.parse({"kind": "coco", "root": str(tmp_path)})
    plain = load(spec, SIZE, kinds=MASKS)
    twice(tmp_path, "coco")
    data = load(spec, SIZE, kinds=MASKS)
    assert data.faults.counts.keys() == {"duplicate mask"}
    assert data.digest == plain.digest


def turned_masks(root: Path, upright: bool) -> Path:
    """A photo on its side, and a mask of its left half, drawn on the upright picture or on the stored pixels."""
    for part in ("train", "val"):
        for folder in ("images", "masks"):
            (root / folder / part).mkdir(parents=True)
        (root / "images" / part / "a.jpg").write_bytes(stored(6, "JPEG", quality=95))
        mask = np.zeros((20, 40) if upright else (40, 20), np.uint8)
        mask[:, : mask.shape[1] // 2] = 1
        Image.fromarray(mask).save(root / "masks" / part / "a.png")
    return root


@pytest.mark.parametrize("upright", [True, False])
def test_a_masks_own_size_decides(tmp_path: Path, upright: bool) -> None:
    spec = DataSpec.parse({"kind": "masks", "root": str(turned_masks(tmp_path, upright)), "strict": True})
    data = load(spec, 40, kinds=MASKS)
    [image], [mask] = data.train.images, data.train.masks
    used = image[:20] if upright else image[:, :20]
    assert data.train.sizes.tolist() == [list(used.shape[:2])]
    # Upright the left half is red above grey; stored, a quarter turn counter-clockwise, it is green above red.
    left = used[:, : used.shape[1] // 2]
    colours = [left[: len(left) // 2], left[len(left) // 2 :]]
    expected = [(255, 0, 0), (60, 60, 60)] if upright else [(0, 255, 0), (255, 0, 0)]
    for part, colour in zip(colours, expected, strict=True):
        assert np.abs(np.median(part.reshape(-1, 3), axis=0) - colour).max() < 8
    assert (mask[:20, :20] == 1).all() if upright else (mask[:, :10] == 1).all()


def test_coco_masks_of_photos_on_their_side(tmp_path: Path) -> None:
    content = coco_file([(1, (0, 0, 20, 10))], {1: "cell"})
    content["images"][0] |= {"width": 40, "height": 20, "file_name": "0.jpg"}
    content["annotations"][0]["segmentation"] = [[0, 0, 20, 0, 20, 10, 0, 10]]
    write_coco(tmp_path, content, content)
    for part in ("train", "val"):
        (tmp_path / f"images/{part}/0.jpg").write_bytes(stored(6, "JPEG", quality=95))
    data = load(DataSpec.parse({"kind": "coco", "root": str(tmp_path)}), 40, kinds=MASKS)
    [image], [mask] = data.train.images, data.train.masks
    assert np.abs(np.median(image[mask == 1], axis=0) - (255, 0, 0)).max() < 8
    assert (mask == 1).sum() == 200


@pytest.mark.parametrize(
    ("content", "kind", "why"),
    [
        (b"", "unreadable image", "not a readable image (the file is empty)"),
        (b"GIF89a", "unreadable image", "not a readable image"),
        (b"<html>", "unreadable image", "not a readable image (of no known format)"),
    ],
    ids=["empty", "cut", "page"],
)
def test_a_broken_file_is_told_with_its_reason(tmp_path: Path, content: bytes, kind: str, why: str) -> None:
    root = write_voc(tmp_path, {"a": [CELL], "b": [CELL], "c": [CELL]}, ["c"])
    path = root / "JPEGImages/b.png"
    path.write_bytes(content)
    faults = read("voc", root).faults
    assert faults.counts == {kind: 1}
    assert faults.examples[kind][0].startswith(f"{path}: {why}")
    assert "BytesIO" not in faults.summary()


def test_a_bomb_among_the_images_is_told_with_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_voc(tmp_path, {name: [CELL] for name in ("a", "b", "huge")}, ["b"])
    write_image(root / "JPEGImages/huge.png", 200, 100)
    monkeypatch.setattr("nas.tasks.data.picture.MAX_PIXELS", 64 * 48)
    faults = read("voc", root).faults
    assert faults.counts == {"image of too many pixels": 1}
    assert "huge.png: 200 x 100 are" in faults.summary()
