"""Label Studio's regions, annotations and JSON_MIN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, load
from nas.tasks.data.formats.brush import unpacked
from tests.tasks.data.builders import EXPECTED, images, read, write
from tests.tasks.data.formats.writers import FOUR, labelstudio, labelstudio_task, outlines

BOX = {"x": 25, "y": 25, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": ["cat"]}


def loaded(root: Path, *values: dict[str, Any]) -> Dataset:
    """The four images, with `values` alone on the first."""
    labelstudio(root)
    path = next(root.glob("*.json"))
    tasks = json.loads(path.read_text())
    tasks[0] = labelstudio_task(1, "a", values)
    path.write_text(json.dumps(tasks))
    return load(DataSpec(kind="labelstudio", root=str(root)), 64)


def first(data: Dataset) -> list[list[float]]:
    split = data.train if "a.png" in data.train.names else data.val
    return split.targets(split.names.index("a.png"))[0].round(2).tolist()


def test_a_rotation_is_about_the_top_left_corner_and_announced(tmp_path: Path) -> None:
    data = loaded(tmp_path, BOX | {"rotation": 90})
    # 32 x 12 pixels at (16, 12), turned clockwise in pixels, not in percent.
    assert first(data) == [[4, 12, 16, 44]]
    assert "rotated boxes: 1, of each the upright box around it is used" in data.faults.notes


def test_polygons_and_ellipses_have_boxes(tmp_path: Path) -> None:
    polygon = {"points": [[25, 25], [75, 25], [50, 75]], "polygonlabels": ["cat"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 12.5, "radiusY": 25, "rotation": 90, "ellipselabels": ["dog"]}
    assert first(loaded(tmp_path, polygon, ellipse)) == [[16, 12, 48, 36], [20, 16, 44, 32]]
    triangle, disc = outlines("labelstudio", tmp_path)
    assert triangle.sum() == pytest.approx(32 * 24 / 2, rel=0.05)
    assert disc.sum() == pytest.approx(np.pi * 12 * 8, rel=0.05)


def packed(mask: np.ndarray) -> list[int]:
    """A brush as Label Studio writes it: RGBA, of which only alpha is looked at."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4).tolist()
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    at = 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at] and end - at < 65536:
            end += 1
        bits += f"111{end - at - 1:016b}{values[at]:08b}"
        at = end
    bits += "0" * (-len(bits) % 8)
    return [int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)]


def test_a_brush_is_a_mask_with_the_box_around_it(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), bool)
    mask[30:33, 40:45] = True
    mask[31, 42] = False
    brush = {"format": "rle", "rle": packed(mask), "brushlabels": ["cat"]}
    assert first(loaded(tmp_path, brush)) == [[40, 30, 45, 33]]
    (painted,) = outlines("labelstudio", tmp_path)
    assert (painted == mask).all()


def test_a_brush_of_single_values() -> None:
    bits = f"{8:032b}{7:05b}" + "0010" * 4 + "000" + "111" + "".join(f"{v:08b}" for v in (1, 2, 3, 0, 5, 6, 7, 9))
    stream = bytes(int(bits.ljust(-(-len(bits) // 8) * 8, "0")[k : k + 8], 2) for k in range(0, len(bits), 8))
    assert unpacked((stream, 2, 1)).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="ends too early"):
        unpacked((stream[:12], 2, 1))
    with pytest.raises(ValueError, match="a brush over 8 values, not the 12"):
        unpacked((stream, 3, 1))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"x": 1, "y": 2, "width": 0.5, "keypointlabels": ["cat"]}, "keypoints, which have no box"),
        (BOX | {"rectanglelabels": ["cat", "dog"]}, "unreadable object"),
        (BOX | {"rectanglelabels": []}, "object without a class"),
        (BOX | {"x": "left"}, "unreadable object"),
        ({key: value for key, value in BOX.items() if key != "rectanglelabels"}, "object without a class"),
        ({"rle": [1, 2, 3], "brushlabels": ["cat"]}, "unreadable object"),
    ],
)
def test_what_has_no_box_is_a_fault(tmp_path: Path, value: dict[str, Any], kind: str) -> None:
    data = loaded(tmp_path, value)
    assert data.faults.counts == {kind: 1}
    assert "task 1, region 1" in data.faults.examples[kind][0]


def test_classes_may_be_given_to_a_region_by_another_control(tmp_path: Path) -> None:
    labelstudio(tmp_path)
    path = next(tmp_path.glob("*.json"))
    text = path.read_text()
    tasks = json.loads(text)
    for task in tasks:
        (region,) = task["annotations"][0]["result"]
        bare = region | {"value": {k: v for k, v in region["value"].items() if k != "rectanglelabels"}}
        bare["type"] = "rectangle"
        region["value"]["labels"] = region["value"].pop("rectanglelabels")
        choice = {"id": "q", "type": "choices", "value": {"choices": ["night"]}}
        task["annotations"][0]["result"] = [bare, region, choice]
    path.write_text(json.dumps(tasks))
    data = load(DataSpec(kind="labelstudio", root=str(tmp_path)), 64)
    assert read(data) == EXPECTED
    assert data.faults.total == 0


def test_of_several_annotations_the_truth_counts_and_images_without_are_left_out(tmp_path: Path) -> None:
    labelstudio(tmp_path)
    path = next(tmp_path.glob("*.json"))
    tasks = json.loads(path.read_text())
    (own,) = tasks[0]["annotations"]
    empty = own | {"result": []}
    tasks[0]["annotations"] = [own | {"was_cancelled": True, "result": "?"}, empty, own | {"ground_truth": True}]
    tasks.append({"id": 9, "annotations": [empty | {"was_cancelled": True}], "data": {"image": "e.png"}})
    path.write_text(json.dumps(tasks))
    data = load(DataSpec(kind="labelstudio", root=str(tmp_path)), 64)
    assert read(data) == EXPECTED
    assert "1 images that nobody has annotated are not used" in data.faults.notes


def test_json_min_is_read(tmp_path: Path) -> None:
    tasks = []
    for number, (name, ((label, (x0, y0, x1, y1)),)) in enumerate(FOUR.items()):
        place = {"x": x0 / 0.64, "y": y0 / 0.48, "width": (x1 - x0) / 0.64, "height": (y1 - y0) / 0.48}
        own = place | {"rotation": 0, "rectanglelabels": [label], "original_width": 64, "original_height": 48}
        path = f"/data/local-files/?d=images/{name}.png"
        tasks.append({"image": path, "id": number, "label": [own], "annotator": 1, "annotation_id": 1})
    write(tmp_path / "export.json", json.dumps(tasks))
    images(tmp_path / "images")
    assert read(load(DataSpec(kind="labelstudio", root=str(tmp_path)), 64)) == EXPECTED


def test_an_image_of_json_min_without_objects_is_a_negative_if_somebody_annotated_it(tmp_path: Path) -> None:
    place = {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["cat"]}
    tasks: list[dict[str, Any]] = [
        {"image": "a.png", "split": "train", "label": [place], "annotation_id": 1},
        {"image": "b.png", "split": "val", "label": [place], "annotation_id": 2},
        {"image": "c.png", "split": "train", "annotation_id": 3},
        {"image": "d.png", "split": "train", "annotation_id": None},
    ]
    write(tmp_path / "export.json", json.dumps(tasks))
    images(tmp_path / "images")
    data = load(DataSpec(kind="labelstudio", root=str(tmp_path)), 64)
    assert (data.train.names, data.val.names) == (("a.png", "c.png"), ("b.png",))
    assert "1 images that nobody has annotated are not used" in data.faults.notes


def test_a_task_may_name_an_array(tmp_path: Path) -> None:
    labelstudio(tmp_path)
    path = next(tmp_path.glob("*.json"))
    path.write_text(path.read_text().replace(".png", ".npy"))
    for name in FOUR:
        np.save(tmp_path / "images" / f"{name}.npy", np.zeros((48, 64, 5), np.uint8))
    data = load(DataSpec(kind="labelstudio", root=str(tmp_path), channels=5), 64)
    assert read(data) == EXPECTED
    assert data.faults.total == 0
