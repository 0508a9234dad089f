from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
from optuna.trial import TrialState
from safetensors.torch import load_file

from nas.errors import StoreError, UserError
from nas.exports import FORMATS, export_study, load
from nas.exports.writer import MODELS
from nas.models import build_neck
from nas.necks.canonical import canonical
from nas.necks.describe import node_table, summary
from nas.studies.spec import GRAPHS, Format
from nas.yaml12 import load_yaml
from tests.exports.studies import CLASSES, RIVAL, SIZE, WINNER, Made, around, measured


def test_the_best_trial_is_exported_with_all_that_is_needed_to_use_it(pets: Made, tmp_path: Path) -> None:
    report = export_study(pets.store, "pets", tmp_path / "out")
    assert report == {
        "study": "pets",
        "trial": 1,
        "digest": WINNER.digest,
        "metrics": {"ap": 0.4, "params": 5e4},
        "directory": str(tmp_path / "out"),
        "files": ["README.md", "config.yaml", "drawing.svg", "weights.safetensors"],
    }
    config = load_yaml((tmp_path / "out/config.yaml").read_text(), "")
    assert (config["study"], config["trial"], config["baseline"], config["digest"]) == ("pets", 1, None, WINNER.digest)
    assert config["metrics"] == {"ap": 0.4, "params": 5e4}
    assert config["details"] == {"device": "cpu"}
    assert config["search_space"] == {"name": "pyramid", "space": {"width": 8}}
    assert config["classes"] == list(CLASSES)
    assert config["normalisation"] == {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
    assert config["letterbox"] == {
        "size": SIZE,
        "placement": "top-left",
        "padding": 114,
        "interpolation": "bilinear, antialiased",
    }
    assert config["versions"].keys() == {"pyramid-nas", "torch", "torchvision", "timm"}
    assert config["architecture"]["neck"]["nodes"][0]["level"] == 4


def test_the_config_opens_with_a_drawing_in_the_order_of_its_nodes(exported: Path) -> None:
    text = (exported / "config.yaml").read_text()
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")][1:]
    assert comments == [summary(WINNER.neck), *node_table(WINNER.neck).splitlines()]
    nodes = load_yaml(text, "")["architecture"]["neck"]["nodes"]
    assert [int(line[1]) for line in comments[1:]] == [node["level"] for node in nodes]


def test_a_chosen_trial_is_exported_baselines_too(pets: Made, tmp_path: Path) -> None:
    assert export_study(pets.store, "pets", tmp_path / "out", trial=0)["digest"] == RIVAL.digest
    assert load_yaml((tmp_path / "out/config.yaml").read_text(), "")["baseline"] == "panet"


def test_of_a_pareto_front_the_best_by_the_first_objective_is_exported(tmp_path: Path) -> None:
    made = Made(tmp_path, objectives=["ap", "params"])
    made.tell(measured(RIVAL), {"ap": 0.5, "params": 9e4})
    made.tell(measured(WINNER), {"ap": 0.4, "params": 5e4})
    assert export_study(made.store, "pets", tmp_path / "out")["trial"] == 0


def test_what_breaks_a_constraint_is_exported_by_number_alone(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.tell(measured(RIVAL), {"ap": 0.5, "params": 9e9}, feasible=False, baseline="panet")
    with pytest.raises(UserError, match="no feasible finished trial yet"):
        export_study(made.store, "pets", tmp_path / "out")
    assert export_study(made.store, "pets", tmp_path / "out", trial=0)["trial"] == 0


def test_a_duplicate_exports_what_it_duplicates(pets: Made, tmp_path: Path) -> None:
    number = pets.tell(measured(WINNER), {"ap": 0.4}, duplicate_of=1)
    assert export_study(pets.store, "pets", tmp_path / "out", trial=number)["trial"] == 1


def test_shared_tensors_are_added_without_levels_the_neck_does_not_use(pets: Made, tmp_path: Path) -> None:
    made = measured(around(RIVAL.neck.model_copy(update={"outputs": RIVAL.neck.outputs[:1]})))
    assert canonical(made.architecture.neck).inputs == (2, 3, 4)
    export_study(pets.store, "pets", tmp_path / "out")
    names = load_file(tmp_path / "out/weights.safetensors").keys()
    assert names == measured(WINNER).state_dict().keys()


def test_a_tuned_backbone_is_the_trials_own(tmp_path: Path) -> None:
    made = Made(tmp_path)
    model = measured(WINNER)
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(1.5)
    made.tell(model, {"ap": 0.4}, whole=True)
    export_study(made.store, "pets", tmp_path / "out")
    state = load_file(tmp_path / "out/weights.safetensors")
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_the_config_alone_can_be_exported_and_replaces_the_weights(exported: Path, pets: Made) -> None:
    report = export_study(pets.store, "pets", exported, trial=0, formats=["config"])
    assert (
        report["files"]
        == sorted(path.name for path in exported.iterdir())
        == ["README.md", "config.yaml", "drawing.svg"]
    )
    with pytest.raises(UserError, match="exported without weights"):
        load(exported)


def test_the_config_is_a_file_that_a_neck_is_built_from(exported: Path) -> None:
    channels = [measured(WINNER).backbone.channels[level] for level in (3, 4)]
    assert build_neck(exported / "config.yaml", channels).out_channels == [8, 8, 8]


def test_weights_that_were_not_kept_are_told_with_the_way_out(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.tell(measured(WINNER), {"ap": 0.4}, keep=False)
    with pytest.raises(UserError, match=r"trial 0 of study 'pets' were not kept \(keep: best 5\).*`keep: all`"):
        export_study(made.store, "pets", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_study(made.store, "pets", tmp_path / "out", formats=["config"])


def test_weights_of_another_backbone_are_refused(pets: Made, tmp_path: Path) -> None:
    pets.store.drop_artifact("task/t1-abc", "backbone")
    with pytest.raises(StoreError, match=r"lack backbone\."):
        export_study(pets.store, "pets", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_wrong_words_are_told(pets: Made, tmp_path: Path) -> None:
    failed = pets.tell(measured(WINNER), {}, state=TrialState.FAIL)
    for words, message in (
        ({"formats": ["config", "onxx"]}, "unknown format onxx; there are config, weights"),
        ({"trial": 99}, "has no trial 99"),
        ({"trial": failed}, "is failed; one trained to its end"),
    ):
        with pytest.raises(UserError, match=message):
            export_study(pets.store, "pets", tmp_path / "out", **words)
    with pytest.raises(UserError, match=r"no study 'pet'.*did you mean pets"):
        export_study(pets.store, "pet", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_a_study_asks_for_is_exported_and_taken_away_again(tmp_path: Path) -> None:
    made = Made(tmp_path, export=["python", "pt2", "onnx-nms"])
    made.tell(measured(WINNER), {"ap": 0.4})
    models = ["model-nms.onnx", "model.pt2", "model.py"]
    files = ["README.md", "config.yaml", "drawing.svg", *models, "weights.safetensors"]
    assert export_study(made.store, "pets", tmp_path / "out")["files"] == files
    card = (tmp_path / "out/README.md").read_text()
    assert [name for name in models if f"`{name}`" not in card] == []
    export_study(made.store, "pets", tmp_path / "out", formats=["config"])
    assert [name for name in files if (tmp_path / "out" / name).exists()] == files[:3]


def test_a_head_that_is_no_graph_is_exported_in_all_other_formats(tmp_path: Path) -> None:
    assert WINNER.head is not None
    given = WINNER.model_copy(update={"head": WINNER.head.model_copy(update={"kind": "faster_rcnn"})})
    made, out = Made(tmp_path), tmp_path / "out"
    made.tell(measured(given), {"ap": 0.4})
    with pytest.raises(UserError, match=r"^onnx, pt2: faster_rcnn .* or retinanet in the study, or leave them out"):
        export_study(made.store, "pets", out, formats=("weights", "onnx", "pt2"))
    assert not out.exists()
    export_study(made.store, "pets", out, formats=("config", "weights", "python"))
    images = [torch.rand(3, 40, SIZE), torch.rand(3, SIZE, SIZE)]
    with torch.inference_mode():
        for found, expected in zip(load(out)(images), measured(given)(images), strict=True):
            assert len(found["boxes"]) > 0
            assert all(torch.equal(found[name], expected[name]) for name in ("boxes", "scores", "labels"))
    made.store.close()


def test_the_formats_of_a_study_are_those_there_are() -> None:
    assert tuple(MODELS) == GRAPHS
    assert get_args(Format) == tuple(FORMATS)
