from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nas.exports import export_study
from tests.cli.conftest import Nas
from tests.exports.studies import WINNER, StoredStudy, measured


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    made = StoredStudy(tmp_path)
    made.add(measured(WINNER), {"ap": 0.4})
    export_study(made.store, "pets", tmp_path / "best")
    made.store.close()
    Image.new("RGB", (80, 60), (90, 160, 30)).save(tmp_path / "grass.png")
    return tmp_path / "best"


def test_boxes_are_json_and_pictures_are_drawn_on_request(nas: Nas, exported: Path) -> None:
    image = exported.parent / "grass.png"
    found = nas("predict", exported, image, image).json["images"]
    assert [(f["image"], f["width"], f["height"]) for f in found] == [(str(image), 80, 60)] * 2
    few, many = (nas("predict", exported, image, "--threshold", t).json["images"][0]["boxes"] for t in ("0.9", "0.01"))
    assert len(few) < len(many)
    assert nas("predict", exported, image, "--draw", "drawn").status == 0
    assert [file.name for file in Path("drawn").iterdir()] == ["grass-boxes.png"]


def test_what_is_no_export_or_no_image(refused: Callable[..., str], exported: Path) -> None:
    assert "is no export" in refused("predict", "nowhere", exported.parent / "grass.png")
    assert "nowhere.png" in refused("predict", exported, "nowhere.png", "--draw", "drawn")
