from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.errors import UserError
from nas.export import evaluate, load
from nas.study import DataSpec
from nas.tasks import coco_metrics, data
from nas.tasks.cache import to_tensor
from tests.export.studies import CLASSES, SIZE
from tests.tasks.data.folders import voc_object, write_voc


@pytest.fixture
def animals(tmp_path: Path) -> str:
    """Four images, two of them for validation; every class in both parts."""
    objects = [voc_object(name, (4 + 12 * i, 6, 24 + 12 * i, 40)) for i, name in enumerate(CLASSES)]
    return str(write_voc(tmp_path / "animals", dict.fromkeys("abcd", objects), val=["c", "d"]))


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


def test_data_with_other_classes_are_refused(exported: Path, tmp_path: Path) -> None:
    other = write_voc(tmp_path / "other", {"a": [voc_object("cow", (4, 4, 40, 40))], "b": []}, val=["b"])
    with pytest.raises(UserError, match="cat"):
        evaluate(exported, str(other))


def test_a_kind_without_boxes_is_refused(exported: Path, animals: str) -> None:
    with pytest.raises(UserError, match="masks data have no boxes"):
        evaluate(exported, animals, kind="masks")
