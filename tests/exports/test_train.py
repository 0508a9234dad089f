"""nas train on tiny tasks: what a trial of the study gives, the same after an interrupt, and an export again."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nas.errors import SpecError, UserError
from nas.exports import load, train
from nas.exports.config import CONFIG, ExportConfig, read_config
from nas.exports.interruption import Interrupted
from nas.studies.metrics import METRICS
from nas.tasks import training
from tests.exports.trained import EPOCHS, export_of_digits
from tests.tasks import tiny

STEPS = 4
"""Of an epoch of the tiny tasks."""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_of_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def done(export: Path) -> Path:
    """The export, trained in full."""
    train(export, export.with_name("done"))
    return export.with_name("done")


@pytest.fixture
def terminated(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Terminates this process after some steps of training."""

    def at(count: int) -> None:
        steps = []
        real = training.one_step

        def one_step(*args: Any) -> float:
            steps.append(None)
            if len(steps) == count:
                os.kill(os.getpid(), signal.SIGTERM)
            return real(*args)

        monkeypatch.setattr(training, "one_step", one_step)

    return at


def same_weights(one: Path, other: Path) -> bool:
    a, b = (load_file(folder / "weights.safetensors") for folder in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def quality(config: ExportConfig) -> dict[str, float | None]:
    """The metrics that repeat."""
    return {name: value for name, value in config.metrics.items() if name not in ("latency_ms", "seconds")}


def curve(folder: Path) -> list[dict[str, str]]:
    """The learning curve without its times."""
    with (folder / "curve.csv").open() as file:
        return [{name: x for name, x in row.items() if name != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_it_is_the_studys_full_training(export: Path, done: Path) -> None:
    assert same_weights(export, done)
    before, after = read_config(export), read_config(done)
    assert quality(before) == quality(after)
    assert after.architecture == before.architecture
    assert after.task == before.task
    assert after.trained is not None
    assert (after.trained.before, after.trained.images, after.trained.source) == (
        before.metrics,
        (32, 16),
        before.digest,
    )


@pytest.mark.slow
def test_the_result_is_an_export_with_its_curve_and_where_it_comes_from(export: Path, done: Path) -> None:
    assert [row["epoch"] for row in curve(done)] == [str(k) for k in range(1, EPOCHS + 1)]
    assert float(curve(done)[-1]["ap"]) == read_config(done).metrics["ap"]
    assert (done / "study.md").read_text() == (export / "README.md").read_text()
    card = (done / "README.md").read_text()
    assert card.startswith("# digits: trial 0, trained by `nas train`\n")
    assert "32 training and 16 validation images" in card
    assert sorted(path.name for path in done.iterdir()) == [
        "README.md",
        "config.yaml",
        "curve.csv",
        "drawing.svg",
        "study.md",
        "weights.safetensors",
    ]
    assert load(done)([torch.rand(3, 64, 64)])[0].keys() == {"boxes", "scores", "labels"}


@pytest.mark.slow
def test_a_result_is_not_reported_for_other_data(export: Path, done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "out")
    config = read_config(done)
    assert config.task is not None
    moved = config.task.model_copy(update={"data": config.task.data.model_copy(update={"root": "elsewhere"})})
    (tmp_path / "out/config.yaml").write_text(config.model_copy(update={"task": moved}).to_yaml())
    with pytest.raises(UserError, match=r"begun with other settings: task.data.root elsewhere \(now None\)"):
        train(export, tmp_path / "out")


@pytest.mark.slow
def test_a_model_is_not_made_into_one_of_another_task(export: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"task.kind: is detection in the export, which cannot be changed"):
        train(export, tmp_path / "out", sets=["task.kind=segmentation"])


@pytest.mark.slow
@pytest.mark.parametrize("step", [STEPS + 2, 2 * STEPS])
def test_a_terminated_training_continues_bit_for_bit(
    step: int, export: Path, done: Path, tmp_path: Path, terminated: Callable[[int], None]
) -> None:
    lines: list[str] = []
    terminated(step)
    with pytest.raises(Interrupted):
        train(export, tmp_path / "out", say=lines.append)
    assert "the same command continues" in lines[-1]
    assert {"checkpoint.pt", "curve.csv"} == {path.name for path in (tmp_path / "out").iterdir()}
    with pytest.raises(UserError, match=r"begun with other settings: seed 0 \(now 1\), task.lr 0.005 \(now 0.01\)"):
        train(export, tmp_path / "out", seed=1, sets=["task.lr=0.01"])
    train(export, tmp_path / "out", say=lines.append)
    assert any(line.startswith("continuing from") for line in lines)
    assert same_weights(done, tmp_path / "out")
    assert curve(done) == curve(tmp_path / "out")
    assert quality(read_config(done)) == quality(read_config(tmp_path / "out"))
    assert not (tmp_path / "out/checkpoint.pt").exists()


@pytest.mark.slow
def test_a_segmenter_with_a_tuned_backbone_continues_bit_for_bit(
    tmp_path: Path, terminated: Callable[[int], None]
) -> None:
    backbone = {"tune": "full", "checkpoint": tiny.checkpoint(tmp_path)}
    export = export_of_digits(tmp_path, kind="segmentation", backbone=backbone, cache="none")
    terminated(STEPS + 1)
    with pytest.raises(Interrupted):
        train(export, tmp_path / "out")
    train(export, tmp_path / "out")
    assert same_weights(export, tmp_path / "out")
    assert quality(read_config(export)) == quality(read_config(tmp_path / "out"))
    assert load(tmp_path / "out")([torch.rand(3, 64, 64)])[0].shape == (64, 64)


@pytest.mark.slow
def test_weights_are_fine_tuned_at_another_size_and_length_and_the_result_is_trained_further(
    done: Path, tmp_path: Path
) -> None:
    sets = ["task.image_size=96", "task.epochs=1", "task.lr=1e-9", "task.average=0"]
    report = train(done, tmp_path / "out", sets=sets, init="weights", formats=["python"])
    config = read_config(tmp_path / "out")
    assert (report["epochs"], config.letterbox.size, config.architecture.image_size) == (1, 96, 96)
    assert config.trained is not None
    assert config.trained.given == read_config(done).weights
    a, b = (load_file(folder / "weights.safetensors") for folder in (done, tmp_path / "out"))
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a if "neck" in name)
    assert (tmp_path / "out/study.md").read_text() == (done / "study.md").read_text()
    assert "model.py" in report["files"]


@pytest.mark.slow
def test_a_finished_training_is_reported_and_gets_missing_formats(export: Path, done: Path, tmp_path: Path) -> None:
    out = shutil.copytree(done, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    report = train(export, out)
    assert report["metrics"] == read_config(done).metrics
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert "model.py" in train(export, out, formats=["python"])["files"]
    assert (out / "weights.safetensors").read_bytes() == before["weights.safetensors"]
    with pytest.raises(UserError, match=r"task.epochs 4 \(now 5\)"):
        train(export, out, sets=["task.epochs=5"])


@pytest.mark.slow
def test_other_weights_or_classes_than_the_models_are_refused(export: Path, tmp_path: Path) -> None:
    few = ["task.data.classes=['1', '7']"]
    with pytest.raises(UserError, match=r"another architecture: head.classes .*--init backbone"):
        train(export, tmp_path / "out", sets=few, init="weights")
    assert not (tmp_path / "out").exists()
    train(export, tmp_path / "out", sets=[*few, "task.epochs=1"])
    assert load(tmp_path / "out").classes == ("1", "7")
    assert read_config(tmp_path / "out").metrics.keys() <= METRICS.keys()


@pytest.mark.parametrize("what", ["another", "itself", "an export"])
def test_a_folder_with_something_else_is_left_alone(what: str, export: Path, tmp_path: Path) -> None:
    out = {"another": tmp_path / "notes", "itself": export, "an export": tmp_path / "copied"}[what]
    if what == "another":
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    elif what == "an export":
        shutil.copytree(export, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError, match="give a new or empty folder"):
        train(export, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_an_old_export_is_refused(export: Path, tmp_path: Path) -> None:
    old = shutil.copytree(export, tmp_path / "old")
    text = (old / CONFIG).read_text()
    start, end = text.index("\ntask:"), text.index("\ntrained:")
    (old / CONFIG).write_text(text[:start] + text[end:].replace("\ntrained: null", ""))
    load(old)
    with pytest.raises(UserError, match="export it again"):
        train(old, tmp_path / "out")
