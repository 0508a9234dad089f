from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.exports import export_study
from tests.cli.conftest import Nas
from tests.exports.studies import SIZE, WINNER, StoredStudy, measured
from tests.exports.trained import export_of_digits


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A detector of cats, dogs and owls, of a study on digits."""
    task = {"kind": "detection", "data": {"kind": "digits"}, "backbone": {"name": "plain"}, "image_size": SIZE}
    made = StoredStudy(tmp_path, task=task)
    made.add(measured(WINNER), {"ap": 0.4})
    export_study(made.store, "pets", tmp_path / "export")
    made.store.close()
    return tmp_path / "export"


@pytest.mark.slow
def test_the_result_as_json_and_as_lines(nas: Nas, tmp_path: Path) -> None:
    words = ("train", export_of_digits(tmp_path, epochs=1), "-o", "out", "--data", "digits", "--image-size", "96")
    done = nas(*words, "--epochs", "2", "--json")
    assert (done.status, done.json["epochs"], done.json["directory"]) == (0, 2, "out")
    assert "epoch 2 of 2: loss " in done.err
    assert sorted(path.name for path in Path("out").iterdir()) == done.json["files"]
    again = nas(*words, "--epochs", "2")
    assert again.out.splitlines()[0] == "trial 0 of digits, 2 epochs:"
    assert "out is already trained" in again.err
    judged = nas("eval", "out", "digits", "--json")
    assert judged.status == 0, judged.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--image-size", "100"],
            "task.image_size: should be a multiple of 32, not 100",
        ),
        (["--epochs", "many"], "task.epochs: should be a valid integer"),
        (["--data", "nowhere"], "nowhere"),
        (["--set", "seed=3"], "nas train takes keys of the task alone"),
        (["--set", "task.epoch=3"], "task.epoch: unknown key; did you mean epochs?"),
        (["--set", "task.backbone.levels=[3]", "--set", "task.kind=pose"], "task.kind: unknown 'pose'"),
        (["--format", "pickle"], "unknown format pickle"),
        (["--seed", "-1"], "argument --seed"),
        (["--seed", "99999999999"], "argument --seed: should be a whole number from 0 to 2147483647"),
        (
            ["--set", "task.head=faster_rcnn", "--format", "onnx"],
            "onnx: faster_rcnn computes shapes from the image",
        ),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_cannot_be(words: list[str], message: str, export: Path, refused: Callable[..., str]) -> None:
    assert message in refused("train", export, "-o", "out", *words)
    assert not Path("out").exists()


def test_classes_that_are_not_the_exports(nas: Nas, export: Path) -> None:
    done = nas("train", export, "-o", "out")
    assert done.status == 2
    reported = "7, 8, 9, and the export cat, dog, owl: choose some with --set task.data.classes=[...]"
    assert done.err.splitlines()[-1].endswith(reported)
    assert not Path("out").exists()


def test_what_is_no_export(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "is no export" in refused("train", tmp_path, "-o", "out")
