"""Whatever a user's files hold, it is read or told in a sentence: no library's error comes through."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks import data
from nas.yaml12 import dump_yaml
from tests.tasks.data.folders import coco_file, voc_object, write_coco, write_image, write_voc

NASTY: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**400, 1e400, float("nan"), "", "a\0b", "\ud800", "../..", "x" * 300, [], [None], {}
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def attempt(root: Path, kind: str, *tables: dict[str, Any]) -> None:
    """Read the folder; a refusal is well, another error is not."""
    for table in tables or (data.DATA,):
        with suppress(UserError):
            data.load(DataSpec(kind=kind, root=str(root)), 16, kinds=table)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value of JSON."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    result = copy.deepcopy(value)
    *front, last = path
    holder = result
    for key in front:
        holder = holder[key]
    holder[last] = new
    return result


COCO = coco_file([(1, [2, 2, 20, 20])], {1: "cat"})
COCO["annotations"][0]["segmentation"] = [[2, 2, 20, 2, 20, 20]]


@pytest.mark.parametrize("path", list(places(COCO)), ids=str)
def test_any_value_in_a_coco_file(tmp_path: Path, path: tuple[Any, ...]) -> None:
    write_coco(tmp_path, COCO, COCO)
    for value in NASTY:
        (tmp_path / "instances_train.json").write_text(json.dumps(changed(COCO, path, value)))
        attempt(tmp_path, "coco", data.DATA, data.MASKS)


def test_any_bytes_as_a_coco_file(tmp_path: Path) -> None:
    write_coco(tmp_path, COCO, COCO)
    for content in (b"", b"\xff\xfe\x00", b"[", b"[" * 100_000, b"null", b"9" * 5000):
        (tmp_path / "instances_train.json").write_bytes(content)
        attempt(tmp_path, "coco", data.DATA, data.MASKS)


def test_any_bytes_in_a_voc_annotation(tmp_path: Path) -> None:
    write_voc(tmp_path, {name: [voc_object("cat", (2, 2, 20, 20))] for name in "ab"}, val=["b"])
    file = tmp_path / "Annotations/a.xml"
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    spoilt = [np.frombuffer(whole, np.uint8).copy() for _ in range(200)]
    for content in spoilt:
        content[random.integers(0, len(content), 2)] = random.integers(0, 256, 2)
    encodings = [f'<?xml version="1.0" encoding="{name}"?><a/>'.encode() for name in ("utf-32", "idna", "base64", "\0")]
    for content in (*map(bytes, spoilt), *encodings, b"", b"<a/>", b"<a>" * 100_000):
        file.write_bytes(content)
        attempt(tmp_path, "voc")


@pytest.mark.parametrize("name", ["a\0", "../x", "x" * 5000, "/", "\udcff"], ids=repr)
def test_any_name_in_a_list_of_images(tmp_path: Path, name: str) -> None:
    voc = write_voc(tmp_path / "voc", {name: [voc_object("cat", (2, 2, 20, 20))] for name in "ab"}, val=["b"])
    (voc / "ImageSets/Main/train.txt").write_text(f"{name}\n", errors="surrogateescape")
    attempt(voc, "voc")
    yolo = write_yolo(tmp_path / "yolo", {"train": "train.txt", "val": "images/val"})
    (yolo / "train.txt").write_text(f"{name}\n", errors="surrogateescape")
    attempt(yolo, "yolo")


def write_yolo(root: Path, said: dict[str, Any], row: str = "0 .5 .5 .2 .2") -> Path:
    for part in ("train", "val"):
        write_image(root / f"images/{part}/a.png")
        (root / f"labels/{part}").mkdir(parents=True, exist_ok=True)
        (root / f"labels/{part}/a.txt").write_text(f"{row}\n", errors="surrogatepass")
    (root / "data.yaml").write_text(dump_yaml({"names": ["cat"]} | said))
    return root


@pytest.mark.parametrize("key", ["names", "train", "val", "path", "kpt_shape"])
def test_any_value_in_data_yaml(tmp_path: Path, key: str) -> None:
    for value in (*NASTY, {0: "a", float("inf"): "b"}, {"x": 1}, {True: "a"}, [1, [2]], ["a", "a"]):
        if value != "\ud800":  # no YAML
            attempt(write_yolo(tmp_path, {key: value}), "yolo")


@pytest.mark.parametrize("place", range(5))
def test_any_value_in_a_row(tmp_path: Path, place: int) -> None:
    row = ["0", ".5", ".5", ".2", ".2"]
    for value in NASTY:
        row[place] = str(value)
        attempt(write_yolo(tmp_path, {}, " ".join(row)), "yolo")


FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "ICO", "TGA", "DDS", "SGI", "PCX")


@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes_as_an_image_or_a_mask(tmp_path: Path, name: str) -> None:
    tag = Image.Exif()
    tag[0x0112] = 6
    file = BytesIO()
    options = {"exif": tag.tobytes()} if name in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    Image.new("RGB", (64, 48), (9, 9, 200)).save(file, name, **options)
    yolo = write_yolo(tmp_path / "yolo", {})
    masks = tmp_path / "masks"
    for part in ("train", "val"):
        write_image(masks / f"images/{part}/a.png")
        (masks / "masks" / part).mkdir(parents=True)
        Image.new("L", (64, 48), 1).save(masks / f"masks/{part}/a.png")
    random = np.random.default_rng(0)
    for k in range(30):
        content = bytearray(file.getvalue())
        if k % 3:
            for _ in range(k % 5 + 1):
                content[random.integers(0, min(len(content), 200))] = random.integers(0, 256)
        else:
            del content[random.integers(0, len(content)) :]
        (yolo / "images/train/a.png").write_bytes(content)
        attempt(yolo, "yolo")
        (masks / "masks/train/a.png").write_bytes(content)
        attempt(masks, "masks", data.MASKS)


def test_any_bytes_as_names_of_classes(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_image(tmp_path / f"images/{part}/a.png")
        (tmp_path / "masks" / part).mkdir(parents=True)
        Image.new("L", (64, 48), 1).save(tmp_path / f"masks/{part}/a.png")
    for content in (b"", b"\xff\n\0\n", b"background\n", b"\n\n", b"x" * 100_000):
        (tmp_path / "classes.txt").write_bytes(content)
        attempt(tmp_path, "masks", data.MASKS)
