"""COCO's polygons and run lengths become class maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import mask as rle
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks import data
from nas.tasks.data.coco_masks import EMPTY, MISSING, Broken, read_outline
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.outlines import EvenOdd
from nas.tasks.data.painted import VOID

SIZE = 32
HEIGHT, WIDTH = 16, 32


def square(x: int, y: int, side: int) -> list[list[float]]:
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def runs(x: int, y: int, side: int, height: int = HEIGHT) -> dict[str, Any]:
    """An uncompressed run length of a square: columns, first a run of zeros."""
    mask = np.zeros((height, WIDTH), np.uint8)
    mask[y : y + side, x : x + side] = 1
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    return {"size": [height, WIDTH], "counts": np.diff([0, *edges, len(flat)]).tolist()}


def write(root: Path, *objects: dict[str, Any]) -> Path:
    """The same image and objects in train and val."""
    for part in ("train", "val"):
        (root / "images" / part).mkdir(parents=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(root / "images" / part / "a.png")
        annotations = [{"id": k, "image_id": 5, "bbox": [0, 0, 4, 4], **item} for k, item in enumerate(objects)]
        content = {
            "images": [{"id": 5, "file_name": "a.png"}],
            "categories": [{"id": 9, "name": "cat"}, {"id": 4, "name": "ant"}],
            "annotations": annotations,
        }
        (root / f"instances_{part}.json").write_text(json.dumps(content))
    return root


def load(root: Path, **spec: Any) -> Dataset:
    return data.load(DataSpec.parse({"kind": "coco", "root": str(root)} | spec), SIZE, kinds=data.MASKS)


def test_polygons_and_runs_are_painted_the_smaller_above(tmp_path: Path) -> None:
    ant = {"category_id": 4, "segmentation": runs(2, 2, 3)}
    cat = {"category_id": 9, "segmentation": square(0, 0, 8)}
    found = load(write(tmp_path, ant, cat))
    assert found.classes == ("ant", "cat")
    expected = np.full((SIZE, SIZE), VOID, np.uint8)
    expected[:HEIGHT] = 0
    expected[:8, :8] = 2
    expected[2:5, 2:5] = 1
    assert np.array_equal(found.train.masks[0], expected)
    assert found.faults.total == 0


def test_a_crowd_is_void_where_no_object_is(tmp_path: Path) -> None:
    crowd = {"category_id": 9, "segmentation": square(0, 0, 8), "iscrowd": 1}
    ant = {"category_id": 4, "segmentation": square(6, 0, 4)}
    mask = load(write(tmp_path, ant, crowd)).train.masks[0]
    assert (mask[:8, :6] == VOID).all()
    assert (mask[:4, 6:10] == 1).all()


def test_touching_objects_of_a_class_are_known_apart(tmp_path: Path) -> None:
    """Together they would be medium at this size."""
    left, right = ({"category_id": 4, "segmentation": square(x, 0, 1)} for x in (4, 5))
    large = {"category_id": 9, "segmentation": square(20, 4, 8)}
    found = load(write(tmp_path, left, right, large))
    assert found.val.territories[0, 0, 4] == 1
    assert found.val.territories[0, 8, 24] == 3


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (None, "annotation without a mask: {}"),
        ([[1, 2, 3, 4]], "polygon without x and y of three corners or more: {}: 4 numbers"),
        ({**runs(2, 2, 3), "counts": [-1]}, "run lengths that are no whole numbers from 0: {}: -1"),
    ],
    ids=["none", "polygon", "runs"],
)
def test_a_broken_mask_is_told_with_its_place_and_its_box_is_void(tmp_path: Path, mask: Any, told: str) -> None:
    broken = {"category_id": 9, "segmentation": mask, "bbox": [4, 2, 4, 4]}
    ant = {"category_id": 4, "segmentation": square(6, 0, 4)}
    root = write(tmp_path, ant, broken)
    content = json.loads((root / "instances_val.json").read_text())
    del content["annotations"][1]
    (root / "instances_val.json").write_text(json.dumps(content))
    found = load(root)
    assert found.faults.summary() == "1 x " + told.format("instances_train.json, annotation 1 (a.png)")
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[2:6, 4:8] = VOID
    expected[:4, 6:10] = 1
    assert np.array_equal(found.train.masks[0, :HEIGHT], expected)
    with pytest.raises(UserError, match="1 faults, refused because of strict"):
        load(root, strict=True)


def test_runs_of_another_size_are_told(tmp_path: Path) -> None:
    ant = {"category_id": 4, "segmentation": square(6, 0, 4)}
    root = write(tmp_path, ant)
    content = json.loads((root / "instances_train.json").read_text())
    content["annotations"][0]["segmentation"] = runs(2, 2, 3, height=20)
    content["images"].append({"id": 6, "file_name": "b.png"})
    content["annotations"].append({"id": 7, "image_id": 6, "category_id": 4, "bbox": [0, 0, 1, 1],
                                   "segmentation": square(1, 1, 4)})  # fmt: skip
    (root / "instances_train.json").write_text(json.dumps(content))
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "images/train/b.png")
    found = load(root)
    assert found.faults.summary() == (
        "1 x mask of another size than its image: "
        "instances_train.json, annotation 0 (a.png): [20, 32] instead of [16, 32]"
    )
    assert found.train.names == ("b.png",)


def test_real_nuclei_are_those_of_the_masks(nuclei: Path) -> None:
    coco = load(nuclei)
    masks = data.load(DataSpec(kind="masks", root=str(nuclei)), SIZE, kinds=data.MASKS)
    order = [masks.val.names.index(name) for name in coco.val.names]
    assert (coco.val.masks == masks.val.masks[order]).mean() > 0.999


def test_one_broken_mask_of_real_ones_leaves_the_others_as_they_are(nuclei: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(nuclei / "images")
    parts = {}
    for part in ("train", "val"):
        parts[part] = json.loads((nuclei / f"instances_{part}.json").read_text())
        parts[part]["images"] = parts[part]["images"][:2]
        (tmp_path / f"instances_{part}.json").write_text(json.dumps(parts[part]))
    whole = load(tmp_path).train.masks
    note = parts["train"]["annotations"][3]
    note["segmentation"]["counts"] = note["segmentation"]["counts"][:-3]
    (tmp_path / "instances_train.json").write_text(json.dumps(parts["train"]))
    found = load(tmp_path)
    image = next(i["file_name"] for i in parts["train"]["images"] if i["id"] == note["image_id"])
    assert [(k, n) for k, n in found.faults.counts.items() if k != "unknown image"] == [("broken run lengths", 1)]
    [place] = found.faults.examples["broken run lengths"]
    assert place.startswith(f"instances_train.json, annotation {note['id']} ({image}): ")
    other = found.train.masks != whole
    assert other.any()
    assert (found.train.masks[other] == VOID).all()


SIDES = [HEIGHT, WIDTH]
SQUARE = np.zeros((HEIGHT, WIDTH), np.bool_)
SQUARE[2:6, 3:9] = True
TEXT: str = rle.encode(np.asfortranarray(SQUARE.astype(np.uint8)))["counts"].decode()
RUNS = [3 * HEIGHT + 2, *[4, 12] * 5, 4, HEIGHT * WIDTH - 3 * HEIGHT - 2 - 16 * 5 - 4]
RING = [3, 2, 9, 2, 9, 6, 3, 6]


def of(outline: Any) -> np.ndarray | Broken:
    return read_outline(outline, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "outline",
    [[RING], {"size": SIDES, "counts": TEXT}, {"size": SIDES, "counts": RUNS}],
    ids=["polygon", "text", "runs"],
)
def test_the_three_forms_give_one_mask(outline: Any) -> None:
    assert np.array_equal(of(outline), SQUARE)


def test_the_rings_of_an_object_are_joined() -> None:
    found = of([RING, [20, 8, 24, 8, 24, 12, 20, 12]])
    assert isinstance(found, np.ndarray)
    assert found.sum() == SQUARE.sum() + 16


@pytest.mark.parametrize("outline", [None, [], {}], ids=str)
def test_no_outline_is_missing(outline: Any) -> None:
    assert of(outline) == MISSING


def counted(*counts: Any) -> dict[str, Any]:
    return {"size": SIDES, "counts": list(counts)}


@pytest.mark.parametrize(
    ("outline", "kind", "found"),
    [
        ({"size": SIDES, "counts": TEXT[:-1]}, "broken run lengths", "RLE string is malformed: early end"),
        ({"size": SIDES, "counts": TEXT[:-3]}, "broken run lengths", "decoded 130 pixels but expected 512"),
        ({"size": SIDES, "counts": "\x01é☃"}, "broken run lengths", "exceed the mask dimensions"),
        ({"size": SIDES, "counts": ""}, "broken run lengths", "decoded 0 pixels"),
        (counted(-5, 517), "run lengths that are no whole numbers from 0", "-5"),
        (counted(1.5, 510.5), "run lengths that are no whole numbers from 0", "1.5"),
        (counted(True, 511), "run lengths that are no whole numbers from 0", "True"),
        (counted(None), "run lengths that are no whole numbers from 0", "None"),
        (counted(float("nan")), "run lengths that are no whole numbers from 0", "nan"),
        (counted(), "run lengths that do not add up to the image", "0 instead of 512 pixels"),
        (counted(100, 5), "run lengths that do not add up to the image", "105 instead of 512 pixels"),
        (counted(10**30), "run lengths that do not add up to the image", " instead of 512 pixels"),
        (counted(512), "mask without a pixel", ""),
        ({"size": SIDES, "counts": 7}, "run lengths that are neither a list nor text", "7"),
        ({"size": [20, 32], "counts": TEXT}, "mask of another size than its image", "[20, 32] instead of [16, 32]"),
        ({"size": [32, 16], "counts": RUNS}, "mask of another size than its image", "[32, 16] instead of [16, 32]"),
        ({"size": [16], "counts": RUNS}, "mask that is neither polygons nor run lengths (counts and size)", "[16]"),
        ({"counts": TEXT}, "mask that is neither polygons nor run lengths (counts and size)", "counts"),
        ("x", "mask that is neither polygons nor run lengths (counts and size)", "'x'"),
        ([1, 2, 3, 4, 5, 6], "polygon without x and y of three corners or more", "1"),
        ([[]], "polygon without x and y of three corners or more", "0 numbers"),
        ([[1, 2, 3, 4]], "polygon without x and y of three corners or more", "4 numbers"),
        ([RING, [*RING, 1]], "polygon without x and y of three corners or more", "9 numbers"),
        ([[1, 2, "x", 4, 5, 6]], "polygon with a corner that is no number", "'x'"),
        ([[1, 2, None, 4, 5, 6]], "polygon with a corner that is no number", "None"),
        ([[1, 2, float("nan"), 4, 5, 6]], "polygon with a corner that is no number", "nan"),
        ([[1, 2, float("inf"), 4, 5, 6]], "polygon with a corner that is no number", "inf"),
        ([[1, 2, 1e9, 4, 5, 6]], "polygon far outside its image", "1000000000.0"),
        ([[1, 2, 3, -(10**400), 5, 6]], "polygon far outside its image", "-1000"),
        ([[40, 2, 50, 4, 45, 6]], "mask without a pixel", ""),
    ],
    ids=lambda x: x if isinstance(x, str) and " " in x else "",
)
def test_a_broken_outline_is_told_by_its_kind_and_what_was_found(outline: Any, kind: str, found: str) -> None:
    broken = of(outline)
    assert isinstance(broken, Broken)
    assert broken.kind == kind
    assert found in broken.found
    assert len(broken.found) < 120


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([TEXT, *SIDES]),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.sampled_from(["counts", "size"]), inner),
    max_leaves=20,
)


@given(
    JSON | st.fixed_dictionaries({"size": st.just(SIDES), "counts": JSON | st.text(st.characters(max_codepoint=127))})
)
def test_whatever_json_holds_is_a_mask_or_told(outline: Any) -> None:
    found = of(outline)
    assert isinstance(found, Broken) or (found.shape == (HEIGHT, WIDTH) and found.any())


def test_a_category_that_only_images_for_tests_have_is_left_out(tmp_path: Path) -> None:
    cat = {"category_id": 9, "segmentation": square(1, 1, 4)}
    root = write(tmp_path, cat, {"category_id": 4, "segmentation": square(8, 8, 4)})
    before = load(root)
    (root / "images/test").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), "red").save(root / "images/test/t.png")
    yak = {"category_id": 2, "segmentation": square(20, 8, 6)}
    content = {
        "images": [{"id": 5, "file_name": "t.png"}],
        "categories": [{"id": 9, "name": "cat"}, {"id": 2, "name": "yak"}],
        "annotations": [{"id": k, "image_id": 5, "bbox": [0, 0, 4, 4], **x} for k, x in enumerate((cat, yak))],
    }
    (root / "instances_test.json").write_text(json.dumps(content))
    found, faults = load(root), data.Faults()
    assert (found.digest, found.classes) == (before.digest, ("ant", "cat"))
    test = found.with_test(0, faults).test
    assert test is not None
    assert test.masks is not None
    assert test.territories is not None
    assert faults.notes == ["images/test: objects of yak, which train and val lack, are left out"]
    assert sorted(np.unique(test.masks[0][:HEIGHT])) == [0, 2]


def test_a_ring_without_a_pixel_voids_no_object() -> None:
    outer, speck = square(2, 2, 8)[0], [5.1, 5.1, 5.2, 5.1, 5.2, 5.2]
    found = read_outline(EvenOdd((outer, speck)), HEIGHT, WIDTH)
    assert np.array_equal(found, read_outline([outer], HEIGHT, WIDTH))
    assert read_outline(EvenOdd((speck, speck)), HEIGHT, WIDTH) == EMPTY
    assert read_outline(EvenOdd((outer, outer)), HEIGHT, WIDTH) == EMPTY  # each undoes the other
    broken = read_outline(EvenOdd((outer, [1.0, 2.0])), HEIGHT, WIDTH)
    assert isinstance(broken, Broken)
    assert broken.kind.startswith("polygon without")
