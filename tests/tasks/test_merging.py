"""Windows of large images: read, trained on, measured on whole images, and merged again by predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.errors import SpecError, UserError
from nas.studies.spec import DataSpec
from nas.tasks import coco_metrics
from nas.tasks.data import MASKS, Split, load
from nas.tasks.merging import merged, whole_counts, whole_images
from nas.tasks.outcomes import detection_outcomes
from nas.tasks.segmentation_metrics import counts
from tests.tasks.data.folders import coco_file, voc_object, write_coco

LARGE = {"a": (300, 200), "b": (64, 48), "c": (300, 200), "d": (150, 64)}
"""Width and height of images; a window has 64 pixels."""
OBJECTS = {
    "a": [(11, 11, 30, 30), (41, 41, 90, 60), (281, 181, 300, 200)],
    "b": [(5, 5, 20, 20)],
    "c": [(101, 51, 108, 58)],
    "d": [],
}


def write_large(root: Path) -> Path:
    (root / "Annotations").mkdir(parents=True)
    (root / "JPEGImages").mkdir()
    for k, (name, (width, height)) in enumerate(LARGE.items()):
        pixels = np.random.default_rng(k).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.png")
        objects = "".join(voc_object("cell", box) for box in OBJECTS[name])
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\nd\n")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


def spec(root: Path, **changes: object) -> DataSpec:
    return DataSpec.parse({"kind": "voc", "root": str(root), "tile": 64, "overlap": 0.25} | changes)


def test_windows_are_the_images_of_a_part(root: Path) -> None:
    data = load(spec(root), 32)
    scenes = data.train.scenes
    assert scenes is not None
    assert len(data.train) == 6 * 4 + 1
    assert scenes.whole.names == ("a.png", "b.png")
    assert scenes.whole.boxes[0].tolist() == [5, 5, 15, 15]  # half of the pixels
    assert data.train.names[0] == "a.png (0, 0)"
    assert data.train.names[-1] == "b.png"
    assert data.train.targets(0)[0].round(2).tolist() == [[5, 5, 15, 15], [20, 20, 32, 30]]
    assert "train: 2 images cut into 25 windows of 64 pixels" in data.faults.notes
    with Image.open(root / "JPEGImages/a.png") as image:
        x0, y0, x1, y1 = scenes.areas[7].tolist()
        own = image.crop((x0, y0, x1, y1)).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(data.train.batch([7])[0], np.asarray(own))


def test_windows_read_from_their_files_are_the_same(root: Path) -> None:
    held, read = load(spec(root), 32), load(spec(root), 32, held=0)
    assert held.digest == read.digest
    assert read.train.images is None
    index = [3, 24, 0, 3]
    assert np.array_equal(held.train.batch(index), read.train.batch(index))
    part = read.train.part(np.array([2, 24]))
    assert part.scenes is not None
    assert (part.scenes.whole.names, part.scenes.index.tolist()) == (("a.png", "b.png"), [0, 1])
    assert np.array_equal(part.batch([1]), read.train.batch([24]))


def test_another_cut_is_another_data_set(root: Path) -> None:
    plain = load(spec(root, tile=None), 64)
    assert len({plain.digest, *(load(spec(root, overlap=o), 64).digest for o in (0.25, 0.5))}) == 3
    assert load(spec(root, tile=None, overlap=0.5, visible=0.1), 64).digest == plain.digest
    # A small object in a large image: without windows nothing is left of it.
    with pytest.raises(UserError, match="1 x box under one pixel"):
        load(spec(root, tile=None), 32)


def test_an_object_hardly_seen_is_not_learnt(root: Path) -> None:
    rows = [len(load(spec(root, visible=share), 32).train.boxes) for share in (0.0, 0.6, 1.0)]
    assert rows[0] > rows[1] > rows[2]


def perfect(split: Split) -> list[coco_metrics.Detections]:
    """What a model finds that sees just what each window shows."""
    found = []
    for i in range(len(split)):
        boxes, labels, _ = split.targets(i)
        found.append((boxes, np.full(len(boxes), 0.9, np.float32), labels))
    return found


def test_what_is_found_in_windows_is_measured_on_whole_images(root: Path) -> None:
    data = load(spec(root, visible=0.0), 32)
    for split in (data.train, data.val):
        images = whole_images(split, perfect(split), 0.6)
        assert split.scenes is not None
        assert images.split is split.scenes.whole
        truth = images.split
        metrics = coco_metrics.evaluate(truth, images.found, data.classes, images.limit)
        # The second object of `a` is wider than the overlap: no window shows all of it.
        assert metrics["ap"] == pytest.approx(1.0) if split is data.val else metrics["ap50"] > 0.5
        outcomes = detection_outcomes(truth, images.found, 1, images.limit)
        assert outcomes.images == 2
        assert outcomes.scores("ap", np.ones((1, 2)))[0] == pytest.approx(metrics["ap"])


def test_one_object_in_two_windows_is_found_once() -> None:
    areas = [(0, 0, 64, 64), (36, 0, 100, 64)]
    # An object from 40 to 60: whole in the first; in the second, whole too.
    inside = (np.array([[20, 5, 30, 15]]), np.array([0.8]), np.array([0]))
    again = (np.array([[2, 5, 12, 15]]), np.array([0.7]), np.array([0]))
    boxes, scores, labels = merged(list(zip(areas, (inside, again), strict=True)), 100, 64, 32, 0.6)
    assert boxes.tolist() == [[40, 10, 60, 30]]
    assert (scores.tolist(), labels.tolist()) == ([0.8], [0])


def test_each_pixel_of_a_class_map_is_measured_once(tmp_path: Path) -> None:
    def content(width: int, height: int, name: str) -> object:
        own = coco_file([(1, (10, 10, 60, 50)), (1, (120, 30, 40, 30))], {1: "cell"})
        own["images"][0] |= {"width": width, "height": height, "file_name": f"{name}.png"}
        for one in own["annotations"]:
            x, y, w, h = one["bbox"]
            one["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        return own

    root = write_coco(tmp_path, content(200, 100, "a"), content(200, 100, "b"))
    for part, name in (("train", "a"), ("val", "b")):
        Image.new("RGB", (200, 100)).save(root / "images" / part / f"{name}.png")
    data = load(DataSpec(kind="coco", root=str(root), tile=64, overlap=0.25), 64, kinds=MASKS)
    val = data.val
    assert val.masks is not None
    assert val.territories is not None
    assert (val.masks != 255).sum() == 200 * 100
    found = [
        counts(mask, np.where(mask == 255, 0, mask), near, 2)
        for mask, near in zip(val.masks, val.territories, strict=True)
    ]
    (whole,) = whole_counts(val, found)
    assert whole.sum(0).tolist() == [[200 * 100 - 60 * 50 - 40 * 30, 0], [0, 60 * 50 + 40 * 30]]


def test_data_that_cannot_be_cut_say_so() -> None:
    with pytest.raises(SpecError, match="tile: scenes are composed at the size of the model's images"):
        load(DataSpec(kind="digits", tile=64), 64)


def test_unreadable_images_do_not_break_the_windows(tmp_path: Path) -> None:
    root = write_large(tmp_path)
    (root / "JPEGImages/b.png").write_bytes(b"nothing")
    data = load(spec(root), 32)
    assert data.faults.counts == {"unreadable image": 1}
    assert len(data.train) == 24
    (root / "JPEGImages/a.png").unlink()
    with pytest.raises(UserError, match="none of the 2 images in train can be used"):
        load(spec(root), 32)
