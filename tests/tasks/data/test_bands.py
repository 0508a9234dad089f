"""Images of any number of channels, of 8 and 16 bits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nas.errors import SpecError, UserError
from nas.geometry import PAD
from nas.studies.spec import DataSpec
from nas.tasks.data import load
from nas.tasks.data.bands import Bands, TooManyPixels, cycled, read_array, shown
from nas.tasks.data.letterbox import decode
from nas.tasks.data.picture import UnusableImage
from tests.tasks.data.folders import coco_file

FIVE = np.random.default_rng(0).integers(0, 65536, (48, 64, 5), dtype=np.uint16)


def saved(values: NDArray[Any], kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, values)
    elif kind == "tiff":
        tifffile.imwrite(file, values, **options)
    else:
        Image.fromarray(values).save(file, kind)
    return file.getvalue()


def interleaved(values: NDArray[Any]) -> bytes:
    return saved(values, "tiff", photometric="minisblack", planarconfig="contig")


def expected(values: NDArray[Any]) -> NDArray[Any]:
    return np.round(values / 257).astype(np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        saved(FIVE, "npy"),
        saved(FIVE, "tiff", photometric="minisblack", planarconfig="contig"),
        saved(np.moveaxis(FIVE, -1, 0), "tiff", photometric="minisblack", planarconfig="separate"),
        saved(np.moveaxis(FIVE, -1, 0), "tiff", photometric="minisblack"),  # a page a channel
    ],
    ids=["npy", "pixel by pixel", "plane by plane", "page by page"],
)
def test_five_channels_of_16_bits_are_read_from_their_full_range(data: bytes) -> None:
    decoded = decode(data, 64, None, Bands(5, None))
    assert decoded.pixels.shape == (64, 64, 5)
    assert np.array_equal(decoded.pixels[:48], expected(FIVE))
    assert (decoded.pixels[48:] == PAD).all()
    assert decoded.notes == ("of uint16, scaled to 8 bits from 0 to 65535",)


@pytest.mark.parametrize("kind", ["npy", "tiff"])
def test_values_of_the_other_byte_order_are_the_same(kind: str) -> None:
    options = {"photometric": "minisblack", "planarconfig": "contig", "byteorder": ">"} if kind == "tiff" else {}
    decoded = decode(saved(FIVE.astype(">u2"), kind, **options), 64, None, Bands(5, None))
    assert np.array_equal(decoded.pixels[:48], expected(FIVE))
    assert decoded.notes == ("of uint16, scaled to 8 bits from 0 to 65535",)


def test_an_array_of_too_many_values_is_refused_by_its_head() -> None:
    head = io.BytesIO()
    claimed = {"descr": "<u2", "fortran_order": False, "shape": (60000, 60000, 5)}
    np.lib.format.write_array_header_1_0(head, claimed)
    with pytest.raises(UnusableImage, match="60000 x 60000 x 5 are 18,000 million values, at most 2,500") as caught:
        decode(head.getvalue(), 32, None, Bands(5, None))
    assert caught.value.kind == "image of too many pixels"
    for data in (saved(FIVE, "npy"), interleaved(FIVE)):
        assert read_array(data, FIVE.size).shape == FIVE.shape
        with pytest.raises(TooManyPixels):
            read_array(data, FIVE.size - 1)


def test_a_range_is_clipped_and_announced() -> None:
    values = np.array([[[0.0], [0.5], [1.0], [2.0], [np.nan]]], np.float32)
    decoded = decode(saved(values, "npy"), 32, None, Bands(1, (0.0, 1.0)))
    assert decoded.notes == ("of float32, scaled to 8 bits from 0 to 1",)
    raster, _ = Bands(1, (0.0, 1.0)).raster(values)
    assert raster.pixels[0, :, 0].tolist() == [0, 128, 255, 255, 0]
    with pytest.raises(UnusableImage, match="values of type float32 have no full range"):
        decode(saved(values, "npy"), 32, None, Bands(1, None))


@pytest.mark.parametrize(
    ("data", "channels"),
    [
        (saved(np.zeros((4, 6), np.uint8), "PNG"), 1),
        (saved(np.full((4, 6), 40000, np.uint16), "PNG"), 1),
        (saved(np.zeros((4, 6, 3), np.uint8), "PNG"), 3),
        (saved(np.zeros((4, 6, 3), np.uint8), "JPEG"), 3),
        (saved(np.zeros((4, 6, 4), np.uint8), "PNG"), 4),
    ],
)
def test_files_of_pillow_count_their_channels(data: bytes, channels: int) -> None:
    assert decode(data, 32, None, Bands(channels, None)).pixels.shape == (32, 32, channels)
    with pytest.raises(UnusableImage, match=f"{channels} channels?, declared 7") as caught:
        decode(data, 32, None, Bands(7, None))
    assert caught.value.kind == "image of another number of channels than declared"


def test_rgb_is_read_as_without_the_key() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG"):
        data = saved(pixels, kind)
        assert np.array_equal(decode(data, 32).pixels, decode(data, 32, None, Bands(3, None)).pixels)


@pytest.mark.parametrize(
    "data",
    [
        saved(FIVE, "npy")[:200],
        saved(np.zeros((2, 3, 4, 5), np.uint8), "npy"),
        saved(np.zeros((2, 3, 40, 50), np.uint8), "tiff", photometric="minisblack"),
        saved(FIVE, "tiff", photometric="minisblack", planarconfig="contig")[:500],
        saved(FIVE, "tiff", photometric="minisblack", planarconfig="contig", extratags=[(274, "H", 1, 6, True)]),
    ],
)
def test_broken_files_are_faults(data: bytes) -> None:
    with pytest.raises(UnusableImage):
        decode(data, 32, None, Bands(5, None))


def write(root: Path, other: bool = False) -> Path:
    content = coco_file([(1, (4, 4, 30, 30))] * 4, {1: "cell"}, images=4)
    root.mkdir(exist_ok=True)
    for k, image in enumerate(content["images"]):
        image["file_name"] = f"{k}.{'npy' if k % 2 else 'tif'}"
        own = FIVE[..., :3] if other and not k else FIVE
        (root / image["file_name"]).write_bytes(saved(own, "npy") if k % 2 else interleaved(own))
    import json

    (root / "annotations.json").write_text(json.dumps(content))
    return root


def spec(root: Path, **changes: object) -> DataSpec:
    return DataSpec.parse({"kind": "coco", "root": str(root), "channels": 5} | changes)


def test_a_folder_of_five_channels(tmp_path: Path) -> None:
    held, read = load(spec(write(tmp_path)), 64), load(spec(tmp_path), 64, held=0)
    assert held.train.images is not None
    assert held.train.images.shape == (3, 64, 64, 5)
    assert np.array_equal(held.train.images, read.train.batch([0, 1, 2]))
    assert held.faults.total == 0
    assert "4 images of uint16, scaled to 8 bits from 0 to 65535" in held.faults.notes
    assert held.digest != load(spec(tmp_path, range=[0, 4095]), 64).digest
    cut = load(spec(tmp_path, tile=32), 32)
    assert cut.train.batch([5]).shape == (1, 32, 32, 5)
    assert np.array_equal(cut.train.batch([5]), load(spec(tmp_path, tile=32), 32, held=0).train.batch([5]))


def test_another_number_of_channels_is_a_fault_with_its_file(tmp_path: Path) -> None:
    data = load(spec(write(tmp_path, other=True)), 64)
    assert data.faults.counts == {"image of another number of channels than declared": 1}
    (place,) = data.faults.examples["image of another number of channels than declared"]
    assert place.endswith("0.tif: 3 channels, declared 5")
    with pytest.raises(UserError, match="declared 2"):
        load(spec(tmp_path, channels=2), 64)


def test_a_stated_size_is_compared(tmp_path: Path) -> None:
    path = write(tmp_path) / "annotations.json"
    path.write_text(path.read_text().replace('"width": 64', '"width": 128'))
    with pytest.raises(UserError, match="stated 128x48, image 64x48"):
        load(spec(tmp_path), 64)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"channels": None, "range": [0, 1]}, "range: goes with channels"),
        ({"range": [1, 0]}, "range: should be the least and the greatest value"),
        ({"channels": 0}, "channels: should be greater than or equal to 1"),
    ],
)
def test_faulty_keys_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(Path("x"), **keys)


def test_what_people_see_and_how_rgb_is_normalised_for_others() -> None:
    pixels = np.arange(2 * 2 * 5, dtype=np.uint8).reshape(2, 2, 5)
    assert np.array_equal(shown(pixels), pixels[..., :3])
    assert np.array_equal(shown(pixels[..., :2]), np.repeat(pixels[..., :1], 3, axis=2))
    assert cycled((0.1, 0.2, 0.3), 5) == (0.1, 0.2, 0.3, 0.1, 0.2)
    assert cycled((0.1, 0.2, 0.3), 1) == (pytest.approx(0.2),)
