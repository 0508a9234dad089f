from __future__ import annotations

from pathlib import Path

import pytest
import torch

import nas
from nas.errors import SpecError, UserError
from nas.exports import export_study, load
from nas.necks.topologies import bifpn
from nas.studies.spec import TaskSpec
from nas.tasks import prepare
from tests.exports.studies import CLASSES, SIZE, TASK, WINNER, StoredStudy, measured


def test_the_loaded_detector_has_the_outputs_of_the_measured_one(exported: Path) -> None:
    model, loaded = measured(WINNER), nas.load(exported)
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        for a, b in zip(model.raw(images), loaded.raw(images), strict=True):
            assert torch.equal(a, b)
        for a, b in zip(model(images), loaded(images), strict=True):
            assert len(a["boxes"]) > 0
            assert all(torch.equal(a[name], b[name]) for name in ("boxes", "scores", "labels"))


def test_it_is_a_detector_ready_for_use(exported: Path) -> None:
    loaded = load(str(exported))
    assert not any(module.training for module in loaded.modules())
    assert loaded.classes == CLASSES
    [found] = loaded([torch.rand(3, 40, 100)])
    assert found.keys() == {"boxes", "scores", "labels"}


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no export: it has no config\.yaml; `nas export STUDY -o DIR` makes one"):
        load(tmp_path / "nowhere")
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with pytest.raises(UserError, match="has no key `export`"):
        load(tmp_path)


def test_missing_weights_are_reported(exported: Path) -> None:
    (exported / "weights.safetensors").unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors cannot be read: No such file"):
        load(exported)


def test_damaged_weights_are_reported(exported: Path) -> None:
    data = bytearray((exported / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (exported / "weights.safetensors").write_bytes(data)
    with pytest.raises(UserError, match=r"weights\.safetensors is damaged or belongs to another config\.yaml"):
        load(exported)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("export: 1", "export: 2", "export: should be 1, not 2"),
        ("- cat\n", "- cow\n", "digest, classes and the architecture differ|classes and the architecture differ"),
        ("size: 64", "size: 96", "letterbox and the architecture differ"),
        ("trial: 1", "trial: one", "trial: should be a valid integer"),
        ("score_threshold: 0.5", "score_threshold: 3", "score_threshold: should be less than 1"),
        ("study: pets", "study: [", "not YAML"),
        ("study: pets", "study: !!python/name:os.system pets", "is not allowed here"),
    ],
)
def test_a_damaged_config_is_refused(exported: Path, old: str, new: str, message: str) -> None:
    path = exported / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecError, match=message):
        load(exported)


def test_a_score_threshold_of_ones_own_is_no_damage(exported: Path) -> None:
    path = exported / "config.yaml"
    path.write_text(path.read_text().replace("score_threshold: 0.5", "score_threshold: 0.45"))
    assert load(exported).threshold == 0.05


@pytest.mark.slow
def test_a_trained_detector_on_a_frozen_pretrained_backbone_comes_back(tmp_path: Path) -> None:
    data = {"kind": "digits", "train": 16, "val": 8}
    spec = {"kind": "detection", "data": data, "image_size": SIZE, "epochs": 1, "batch_size": 8}
    task = prepare(TaskSpec.parse(spec), lambda _: None).filled(lambda _: None)
    model = task.build(task.architecture(bifpn((3, 4), 8, repeats=1)))
    for _ in task.train(model, seed=0, epochs=1):
        pass
    made = StoredStudy(tmp_path)
    made.store.put_artifact(f"task/{TASK}", "backbone", task.shared()["backbone"])
    made.add(model, {"ap": 0.1})
    export_study(made.store, "pets", tmp_path / "out")
    made.store.close()
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        for a, b in zip(model.eval().raw(images), load(tmp_path / "out").raw(images), strict=True):
            assert torch.equal(a, b)
