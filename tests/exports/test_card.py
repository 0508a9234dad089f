from __future__ import annotations

from pathlib import Path

from nas.exports import export_study
from nas.exports.config import read_config
from nas.necks.describe import describe
from nas.necks.drawing import svg
from nas.studies.spec import StudySpec
from nas.yaml12 import load_yaml
from tests.exports.studies import RIVAL, WINNER, Made, measured


def exported(made: Made, folder: Path, **options: object) -> str:
    export_study(made.store, "pets", folder, **options)  # type: ignore[arg-type]
    return (folder / "README.md").read_text()


def made(tmp_path: Path) -> Made:
    study = Made(tmp_path)
    study.tell(measured(RIVAL), {"ap": 0.3, "params": 9e4}, baseline="panet")
    study.tell(measured(WINNER), {"ap": 0.4, "params": 5e4})
    return study


def test_the_card_tells_what_was_searched_and_found(tmp_path: Path) -> None:
    study = made(tmp_path)
    text = exported(study, tmp_path / "out")
    assert text.startswith("# pets: trial 1\n\n![The neck](drawing.svg)\n")
    assert describe(read_config(tmp_path / "out").architecture) in text
    assert "| ap ↑ | params ↓ |" in text
    assert "| **this one** | 0.400 | 50.00 k |" in text
    assert "| panet | 0.300 | 90.00 k |" in text
    assert "- search space: pyramid, with width = 8" in text
    assert "proposals: 2 (2 complete)" in text
    record = study.store.study("pets")
    assert record is not None
    again = text.split("~~~yaml\n")[1].split("\n~~~")[0]
    assert StudySpec.parse(load_yaml(again, "pets.yaml")) == record.spec


def test_the_drawing_lies_beside_it(tmp_path: Path) -> None:
    exported(made(tmp_path), tmp_path / "out")
    assert (tmp_path / "out/drawing.svg").read_text() == svg(WINNER.neck)


def test_a_baseline_is_not_compared_with_itself(tmp_path: Path) -> None:
    text = exported(made(tmp_path), tmp_path / "out", trial=0)
    assert text.startswith("# pets: baseline panet, trial 0")
    assert "| panet |" not in text


def test_without_weights_the_card_does_not_say_how_to_load_them(tmp_path: Path) -> None:
    study = made(tmp_path)
    assert "nas.load(" in exported(study, tmp_path / "with")
    text = exported(study, tmp_path / "without", formats=("config",))
    assert "nas.load(" not in text
    assert "`weights.safetensors`" not in text
    assert "neck and head: trained" not in text
