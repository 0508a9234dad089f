from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas.cli.parser import _FORMATS
from nas.errors import UserError
from nas.exports import FORMATS, export_study
from nas.exports.trainers import TRAINERS, check_trainers
from nas.models import build_with_head
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.topologies import fpn
from nas.tasks.weights import packed
from tests.exports.code.written import assert_passes_ruff
from tests.exports.studies import StoredStudy


def test_every_format_of_a_trainer_is_a_format() -> None:
    assert set(TRAINERS) < set(FORMATS)
    assert ["config", "weights", *_FORMATS.split(", ")] == list(FORMATS)


LONG = tuple(f"a class with the long name {k}" for k in range(7))


@pytest.mark.parametrize("kind", ["fcos", "faster_rcnn"])
@pytest.mark.parametrize("backbone", ["plain", "resnet18"])
def test_what_is_written_passes_ruff(kind: str, backbone: str, tmp_path: Path) -> None:
    spec = BackboneSpec(name=backbone, levels=(2, 3, 4), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    head = HeadSpec(kind=kind, classes=LONG, scale=0.3)
    architecture = Architecture(backbone=spec, neck=fpn((2, 3, 4), 12, extra=3), head=head, image_size=128)
    state = packed(build_with_head(architecture.canonical()).state_dict())
    for write in TRAINERS.values():
        for name, data in write(architecture.canonical(), state).items():
            if name.endswith(".py"):
                assert_passes_ruff(data.decode(), tmp_path)


def test_what_cannot_be_written_is_refused(pets: StoredStudy, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^torchvision: .* fcos, retinanet, faster_rcnn, and this model has panoptic_fpn"
    ):
        check_trainers("panoptic_fpn", ["torchvision", "timm"])
    check_trainers("panoptic_fpn", ["timm", "ultralytics"])
    with pytest.raises(UserError, match=r"^hf holds the weights"):
        export_study(pets.store, "pets", tmp_path / "out", formats=["config", "hf"])
    assert not (tmp_path / "out").exists()


def test_files_of_formats_that_are_no_longer_asked_for_are_removed(pets: StoredStudy, tmp_path: Path) -> None:
    first = export_study(pets.store, "pets", tmp_path / "out", formats=["config", "weights", *TRAINERS])
    files = [name for f in TRAINERS for name in FORMATS[f]]
    assert set(files) < set(first["files"])
    card = (tmp_path / "out/README.md").read_text()
    assert [name for name in files if not re.search(f"^- `{re.escape(name)}`", card, re.MULTILINE)] == []
    export_study(pets.store, "pets", tmp_path / "out", formats=["config"])
    assert [name for name in files if (tmp_path / "out" / name).exists()] == []
