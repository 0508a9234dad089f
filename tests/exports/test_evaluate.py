from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nas.errors import UserError
from nas.exports import evaluate, load, predict
from nas.studies.spec import DataSpec
from nas.tasks import coco_metrics, data
from nas.tasks.cache import to_tensor
from tests.exports.studies import CLASSES, SIZE
from tests.tasks.data.folders import Corners, voc_object, write_voc
from tests.tasks.data.test_picture import stored


@pytest.fixture
def animals(exported: Path, tmp_path: Path) -> str:
    """Four images, two of them for validation, with boxes that the export finds: one of every class."""
    images = write_voc(tmp_path / "images", dict.fromkeys("abcd", ())) / "JPEGImages"
    found = {name: predict(exported, [images / f"{name}.png"], threshold=0.0)[0]["boxes"] for name in "abcd"}
    objects = {name: [voc_object(label, largest(boxes, label)) for label in CLASSES] for name, boxes in found.items()}
    return str(write_voc(tmp_path / "animals", objects, val=["c", "d"]))


def largest(boxes: list[dict[str, Any]], label: str) -> Corners:
    """Of the boxes of a class the one that is least a sliver, in pixels counted from 1 as VOC counts them."""
    own = [box["box"] for box in boxes if box["class"] == label]
    x0, y0, x1, y1 = max(own, key=lambda box: min(box[2] - box[0], box[3] - box[1]))
    return x0 + 1, y0 + 1, x1, y1


@pytest.mark.parametrize("split", ["val", "train"])
def test_the_metrics_are_those_of_the_models_boxes(exported: Path, animals: str, split: str) -> None:
    found = evaluate(exported, animals, split=split)
    assert (found["images"], found["kind"], found["split"], found["faults"]) == (2, "voc", split, [])
    model = load(exported)
    part = getattr(data.load(DataSpec(kind="voc", root=animals, classes=CLASSES), SIZE), split)
    with torch.inference_mode():
        boxes = model.detect(model.raw(to_tensor(part.batch([0, 1]), torch.device("cpu"))))
    expected = coco_metrics.evaluate(
        part, [(d.boxes.numpy(), d.scores.numpy(), d.labels.numpy()) for d in boxes], CLASSES
    )
    assert found["metrics"] == pytest.approx(expected)
    assert found["metrics"]["ap50"] > 0


def test_photos_on_their_side_measure_as_upright_ones(exported: Path, animals: str) -> None:
    upright = evaluate(exported, animals)
    for path in Path(animals).glob("JPEGImages/*.png"):
        with Image.open(path) as image:
            path.write_bytes(stored(6, image=image))
    lying = evaluate(exported, animals)
    assert lying["metrics"] == upright["metrics"]
    assert (lying["faults"], lying["notes"]) == ([], ["4 images turned upright by the orientation tag"])
    assert upright["notes"] == []


def test_data_with_other_classes_are_refused(exported: Path, tmp_path: Path) -> None:
    other = write_voc(tmp_path / "other", {"a": [voc_object("cow", (4, 4, 40, 40))], "b": []}, val=["b"])
    with pytest.raises(UserError, match="cat"):
        evaluate(exported, str(other))


def test_classes_without_objects_are_named_and_the_others_measured(exported: Path, animals: str) -> None:
    whole = evaluate(exported, animals)
    assert (whole["absent"], whole["unknown"]) == ([], [])
    gone, *left = CLASSES
    for file in Path(animals, "Annotations").glob("*.xml"):
        file.write_text(file.read_text().replace(f"<name>{gone}</name>", "<name>yak</name>"))
    found = evaluate(exported, animals)
    assert (found["absent"], found["unknown"]) == ([gone], ["yak"])
    model = load(exported)
    part = data.load(DataSpec(kind="voc", root=animals, classes=left), SIZE).val
    with torch.inference_mode():
        boxes = model.detect(model.raw(to_tensor(part.batch([0, 1]), torch.device("cpu"))))
    own = [(d.labels > 0).nonzero()[:, 0] for d in boxes]
    expected = coco_metrics.evaluate(
        part,
        [(d.boxes[k].numpy(), d.scores[k].numpy(), d.labels[k].numpy() - 1) for d, k in zip(boxes, own, strict=True)],
        left,
    )
    assert found["metrics"] == pytest.approx(expected)


def test_a_kind_without_boxes_is_refused(exported: Path, animals: str) -> None:
    with pytest.raises(UserError, match="masks data have no boxes"):
        evaluate(exported, animals, kind="masks")


def test_images_for_tests_are_measured_when_they_are_asked_for(exported: Path, animals: str) -> None:
    with pytest.raises(UserError, match=r"has no images for tests that can be used$"):
        evaluate(exported, animals, split="test")
    lists = Path(animals, "ImageSets/Main")
    whole = evaluate(exported, animals)
    (lists / "test.txt").write_text("d\n")
    (lists / "val.txt").write_text("c\n")
    found = evaluate(exported, animals, split="test")
    assert (found["images"], found["split"], found["faults"]) == (1, "test", [])
    assert found["metrics"] != whole["metrics"]
    (lists / "val.txt").write_text("d\n")
    (lists / "test.txt").write_text("c\n")
    assert evaluate(exported, animals)["metrics"] == found["metrics"], "as the same image measures in val"
    (lists / "test.txt").write_text("gone\n")
    with pytest.raises(UserError, match=r"that can be used: ImageSets/Main/test.txt is not used: none of its images"):
        evaluate(exported, animals, split="test")
