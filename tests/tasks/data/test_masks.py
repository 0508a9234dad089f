"""Mask folders: pairs of images and class maps, their classes, and all that can be wrong with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.errors import SpecError, UserError
from nas.studies.spec import DataSpec
from nas.tasks import data
from nas.tasks.data import masks
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.masks import check
from nas.tasks.data.painted import VOID
from nas.tasks.data.picture import Stated

SIZE = 32


def write(
    root: Path, name: str, mask: np.ndarray | None, size: tuple[int, int] = (40, 20), part: str | None = None
) -> None:
    """An image of (width, height) and its mask, by default in train if its name begins with t, else in val."""
    part = part or ("train" if name.startswith("t") else "val")
    for folder in ("images", "masks"):
        (root / folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 160, 30)).save(root / "images" / part / f"{name}.jpg")
    if mask is not None:
        Image.fromarray(mask).save(root / "masks" / part / f"{name}.png")


def mask(*indices: int, width: int = 40, height: int = 20) -> np.ndarray:
    """Vertical stripes of the indices."""
    return np.repeat(np.array(indices, np.uint8), width // len(indices))[None].repeat(height, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "t1", mask(0, 1))
    write(tmp_path, "t2", mask(0, 3, 3, 255))
    write(tmp_path, "v1", mask(3, 0))
    return tmp_path


def load(root: Path, **spec: object) -> Dataset:
    return data.load(DataSpec.parse({"kind": "masks", "root": str(root)} | spec), SIZE, kinds=data.MASKS)


def test_classes_are_the_indices_that_occur(root: Path) -> None:
    found = load(root)
    assert found.classes == ("class 1", "class 3")
    assert found.faults.total == 0
    assert found.split == "images/train and images/val"
    one = found.train.masks[1]
    assert one.shape == (SIZE, SIZE)
    assert one[:16].tolist() == [[0] * 8 + [2] * 16 + [VOID] * 8] * 16  # 40 x 20 pixels at 32 x 16
    assert (one[16:] == VOID).all()  # padding
    assert found.train.territories is None
    assert set(np.unique(found.val.territories)) == {3}


def test_classes_txt_names_them_from_one_or_from_the_background(root: Path) -> None:
    for text in ("cell\nrod\nstar\n", "background\ncell\nrod\nstar\n"):
        (root / "classes.txt").write_text(text)
        found = load(root)
        assert found.classes == ("cell", "rod", "star")
        assert set(np.unique(found.train.masks)) == {0, 1, 3, VOID}


def test_listed_classes_are_chosen_and_the_others_are_background(root: Path) -> None:
    (root / "classes.txt").write_text("cell\nrod\nstar\n")
    found = load(root, classes=["star"])
    assert found.classes == ("star",)
    assert set(np.unique(found.train.masks[0, :16])) == {0}
    assert set(np.unique(found.val.masks[0, :16])) == {0, 1}
    with pytest.raises(UserError, match="no object of the class rod; the data has cell, star"):
        load(root, classes=["star", "rod"])


def test_without_classes_txt_listed_classes_are_the_indices_in_order(root: Path) -> None:
    write(root, "t3", mask(2, 0))
    assert load(root, classes=["cell", "rod", "star"]).classes == ("cell", "rod", "star")


def test_a_palette_is_read_by_its_indices(root: Path) -> None:
    image = Image.fromarray(mask(0, 1, 1, 0)).convert("P")
    image = Image.fromarray(mask(0, 1, 1, 0), mode="P")
    image.putpalette([0, 0, 0, 250, 10, 10])
    image.save(root / "masks/train/t1.png")
    assert set(np.unique(load(root).train.masks[0, :16])) == {0, 1}


def corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def recolour(path: Path) -> None:
    Image.open(path).convert("RGB").save(path)


def shrink(path: Path) -> None:
    Image.open(path).resize((20, 20)).save(path)


def deepen(path: Path) -> None:
    Image.fromarray(np.full((20, 40), 300, np.uint16)).save(path)


def lower(path: Path) -> None:
    Image.fromarray(np.full((20, 40), -1, np.int32)).save(path, "TIFF")


def divide(path: Path) -> None:
    Image.fromarray(np.full((20, 40), 0.5, np.float32)).save(path, "TIFF")


def compress(path: Path) -> None:
    Image.open(path).save(path, "JPEG")


def vanish(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (Path.unlink, "missing mask"),
        (corrupt, "unreadable mask"),
        (recolour, "mask of colours, not of class indices"),
        (deepen, "mask with an index outside of 0 to 255"),
        (lower, "mask with an index outside of 0 to 255"),
        (divide, "mask of fractions, not of class indices"),
        (compress, "mask saved with loss, which changes its indices (save masks as PNG)"),
        (vanish, "unreadable mask"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_faulty_mask_is_told_with_its_file_and_left_out(root: Path, spoil: Callable[[Path], None], kind: str) -> None:
    spoil(root / "masks/train/t1.png")
    found = load(root)
    assert found.faults.summary() == f"1 x {kind}: masks/train/t1.png"
    assert found.train.names == ("t2.jpg",)
    with pytest.raises(UserError, match="1 faults, refused because of strict"):
        load(root, strict=True)


def test_a_mask_of_another_size_is_told_with_both(root: Path) -> None:
    shrink(root / "masks/train/t1.png")
    found = load(root)
    [place] = found.faults.examples["image of another size than stated"]
    assert place == f"{root / 'images/train/t1.jpg'}: mask 20x20, image 40x20"
    assert found.train.names == ("t2.jpg",)
    shrink(root / "masks/train/t2.png")
    with pytest.raises(UserError, match="no image in train has the size that its annotation states"):
        load(root)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint16], ids=["1 bit", "16 bit"])
def test_indices_may_have_other_bits(root: Path, dtype: type) -> None:
    Image.fromarray(mask(0, 1).astype(dtype)).save(root / "masks/train/t1.png")
    found = load(root)
    assert found.faults.total == 0
    assert found.train.masks[0, :16].tolist() == [[0] * 16 + [1] * 16] * 16


@pytest.mark.parametrize("suffix", [".tif", ".bmp"])
def test_another_format_that_keeps_every_value_is_read(root: Path, suffix: str) -> None:
    path = root / "masks/train/t1.png"
    Image.open(path).save(path.with_suffix(suffix))
    path.unlink()
    found = load(root)
    assert found.faults.total == 0
    assert set(np.unique(found.train.masks[0, :16])) == {0, 1}


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_masks_that_are_jpeg_are_refused(root: Path, suffix: str) -> None:
    for path in list(root.glob("masks/train/*.png")):
        Image.open(path).save(path.with_suffix(suffix))
        path.unlink()
    with pytest.raises(UserError) as told:
        load(root)
    assert str(told.value).splitlines() == [
        f"{root}: none of the 2 images in train can be used",
        "2 x mask saved with loss, which changes its indices (save masks as PNG): "
        f"masks/train/t1{suffix}, masks/train/t2{suffix}",
    ]


def test_a_png_is_taken_where_a_jpeg_lies_beside_it(root: Path) -> None:
    path = root / "masks/train/t1.png"
    Image.open(path).save(path.with_suffix(".jpg"))
    assert load(root).faults.total == 0


@pytest.mark.parametrize("spec", [{}, {"classes": ["cell"]}], ids=str)
def test_pngs_that_went_through_jpeg_are_refused(root: Path, spec: dict[str, list[str]]) -> None:
    shape = np.zeros((60, 80), np.uint8)
    shape[10:42, 13:57] = 128
    for name in ("t1", "t2", "v1"):
        write(root, name, shape, (80, 60))
        path = next(root.glob(f"masks/*/{name}.png"))
        file = BytesIO()
        Image.open(path).save(file, "JPEG", quality=80)
        Image.open(file).save(path)
    with pytest.raises(
        UserError, match=r"in masks/train/t1\.png, .*, which look like JPEG artefacts .*: save masks as PNG"
    ):
        load(root, **spec)


def test_an_index_without_a_name_is_void_and_told(root: Path) -> None:
    (root / "classes.txt").write_text("cell\n")
    write(root, "v2", mask(0, 1))
    found = load(root)
    assert found.faults.summary() == "2 x index without a class: masks/train/t2.png: 3, masks/val/v1.png: 3"
    assert set(np.unique(found.train.masks[1])) == {0, VOID}


def test_a_mask_without_an_image_is_told(root: Path) -> None:
    (root / "images/val/v1.jpg").rename(root / "images/val/other.jpg")
    with pytest.raises(UserError) as told:
        load(root)
    assert str(told.value).splitlines() == [
        f"{root}: none of the 1 images in val can be used",
        "1 x mask without an image: masks/val/v1.png",
        "1 x missing mask: masks/val/other.png",
    ]


def test_masks_of_0_and_255_get_advice(tmp_path: Path) -> None:
    for name in ("t1", "v1"):
        write(tmp_path, name, mask(0, 255))
    with pytest.raises(UserError, match="no index but 0, the background, and 255, which is void: write 1"):
        load(tmp_path)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images/train").mkdir(parents=True)
    [fault] = check(DataSpec(kind="masks", root=str(tmp_path)))
    assert fault.path == "root"
    assert fault.message.endswith("is no folder of masks, it lacks images/val, masks/train, masks/val")
    with pytest.raises(SpecError, match="is no folder of masks"):
        load(tmp_path)


def test_real_nuclei(nuclei: Path) -> None:
    found = load(nuclei, classes=["nucleus"])
    assert (len(found.train), len(found.val)) == (180, 80)
    assert found.faults.total == 0
    assert set(np.unique(found.val.territories)) == {1, 2, 3}


def test_a_mask_states_its_own(tmp_path: Path) -> None:
    Image.new("P", (40, 20)).save(tmp_path / "a.png")
    assert masks._stated(tmp_path / "a.png") == Stated(40, 20, "mask")
    (tmp_path / "b.png").write_bytes(b"")
    assert masks._stated(tmp_path / "b.png") is None
    assert masks._stated(tmp_path / "c.png") is None


def test_images_for_tests_are_measured_as_those_for_validation(root: Path) -> None:
    before = load(root).digest
    write(root, "x1", mask(0, 1, 2, 255, width=48), (48, 20), part="test")
    found, faults = load(root), Faults()
    assert found.digest == before
    assert found.faults.notes == ["images/test: 1 test image, which nothing is chosen on"]
    test = found.with_test(0, faults).test
    assert test.images is None
    assert faults.examples == {"index without a class": ["masks/test/x1.png: 2"]}, "train and val have 1 and 3"
    row = test.masks[0][0]
    assert [int(row[k * SIZE // 4 + 2]) for k in range(4)] == [0, 1, VOID, VOID]
    assert test.territories.shape == test.masks.shape
    assert set(np.unique(test.territories)) <= {1, 2, 3}
    assert found.train.territories is None


@pytest.mark.parametrize(
    ("gone", "note"),
    [
        ("masks/test", "images/test is not used: there is no masks/test"),
        ("images/test", "masks/test is not used: there is no images/test"),
        ("masks/test/x1.png", "images/test is not used: no object is annotated in its images"),
        ("images/test/x1.jpg", "images/test is not used: none of its images can be read (1 x mask without an image)"),
    ],
)
def test_images_for_tests_need_their_masks(root: Path, gone: str, note: str) -> None:
    write(root, "x1", mask(0, 1, width=48), (48, 20), part="test")
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = load(root)
    assert (found.faults.notes, found.read_test) == ([note], None)


def test_blended_masks_for_tests_are_not_used(root: Path) -> None:
    rng = np.random.default_rng(0)
    write(root, "x1", rng.integers(0, 200, (60, 60), dtype=np.uint8), (60, 60), part="test")
    found, faults = load(root), Faults()
    assert found.with_test(0, faults).test is None
    assert faults.notes[0].startswith("images/test is not used: values between the classes along edges in masks/test")
