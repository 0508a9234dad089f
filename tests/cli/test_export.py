from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Nas
from tests.cli.test_ls import UNUSABLE
from tests.exports.code.written import imported
from tests.exports.studies import RIVAL, WINNER, StoredStudy, measured


@pytest.fixture
def pets(tmp_path: Path) -> str:
    """URL of a study with weights; trial 1 is the best."""
    made = StoredStudy(tmp_path)
    made.add(measured(RIVAL), {"ap": 0.3}, baseline="panet")
    made.add(measured(WINNER), {"ap": 0.4})
    made.store.close()
    return f"sqlite:///{tmp_path}/nas.db"


def test_the_best_trial(nas: Nas, pets: str) -> None:
    done = nas("export", "pets", "-o", "best", "--storage", pets)
    assert done.out.splitlines() == [
        "trial 1 of pets, written to best:",
        "  README.md",
        "  config.yaml",
        "  drawing.svg",
        "  weights.safetensors",
    ]
    assert [f"  {name}" for name in sorted(file.name for file in Path("best").iterdir())] == done.out.splitlines()[1:]


def test_another_trial_and_format_as_json(nas: Nas, pets: str) -> None:
    done = nas("export", "pets", "-o", "it", "--storage", pets, "--trial", "0", "--format", "config", "--json")
    assert (done.json["study"], done.json["trial"], done.json["files"]) == (
        "pets",
        0,
        ["README.md", "config.yaml", "drawing.svg"],
    )
    assert not Path("it/weights.safetensors").exists()


def test_code_that_loads_what_lies_beside_it(nas: Nas, pets: str) -> None:
    done = nas("export", "pets", "-o", "it", "--storage", pets, "--format", "config,weights,python")
    assert "  model.py" in done.out.splitlines()
    assert len(imported(Path("it/model.py").resolve()).load().state_dict()) > 0


def test_onnx_without_its_packages_is_refused_with_the_command(
    refused: Callable[..., str], pets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.models.cost.graph.find_spec", lambda name: None)
    message = refused("export", "pets", "-o", "out", "--storage", pets, "--format", "onnx")
    assert "pip install 'pyramid-nas[onnx]'" in message
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pet"], "there is no study 'pet' in the database; did you mean pets?"),
        (["pets", "--trial", "9"], "study 'pets' has no trial 9"),
        (["pets", "--format", "config,pickle"], "unknown format pickle"),
    ],
)
def test_what_is_not_there(words: list[str], message: str, refused: Callable[..., str], pets: str) -> None:
    assert message in refused("export", *words, "-o", "out", "--storage", pets)


@UNUSABLE
def test_a_database_that_cannot_be_read(
    made: Callable[[Path], str], message: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert message in refused("export", "cells", "-o", "out", "--storage", made(tmp_path))
