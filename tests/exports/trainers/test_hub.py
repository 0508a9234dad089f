from __future__ import annotations

from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from nas.exports import load
from tests.exports.trainers.exported import IMAGES, assert_same_boxes, exported_as, imported, with_head


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("kind", ["fcos", "faster_rcnn"])
def test_the_hubs_mixin_loads_the_folder(kind: str, tmp_path: Path) -> None:
    out = exported_as(tmp_path, with_head(kind), ["hf"])
    detector = imported(out / "hf_model.py").Detector
    model = detector.from_pretrained(str(out), strict=True)
    assert model.classes == ("cat", "dog", "owl")
    with torch.no_grad():
        assert_same_boxes(model(IMAGES), load(out)(IMAGES), first=int(kind == "faster_rcnn"))
    model.save_pretrained(str(tmp_path / "again"))
    with torch.no_grad():
        assert_same_boxes(detector.from_pretrained(str(tmp_path / "again"))(IMAGES), model(IMAGES))


def test_the_card_has_what_the_hub_reads_and_measured_metrics_alone(tmp_path: Path) -> None:
    out = exported_as(tmp_path, with_head("fcos"), ["hf"])
    card = ModelCard.load(out / "README.md")
    data = card.data.to_dict()
    assert (data["pipeline_tag"], data["library_name"]) == ("object-detection", "pyramid-nas")
    assert "pytorch_model_hub_mixin" in data["tags"]
    assert "license" not in data
    results = {result.metric_type: result.metric_value for result in card.data.eval_results or ()}
    assert results == {"ap": 0.4, "ap50": 0.6}  # neither a forecast nor a cost
    assert card.text.lstrip().startswith("# pets: trial 0")
    assert "`hf_model.py`" in card.text


def test_without_the_format_the_card_has_no_front_matter(exported: Path) -> None:
    assert (exported / "README.md").read_text().startswith("# pets")
