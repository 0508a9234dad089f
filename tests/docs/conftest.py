"""A working folder that has whatever the documentation's commands name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.exports import export_study
from nas.models import Detector
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.topologies import fpn
from nas.storage import open_store
from tests.exports.studies import StoredStudy
from tests.fabricated import Fabric
from tests.tasks.data.folders import voc_object, write_image, write_voc

STUDIES = ("cells", "quickstart", "bccd")
LEVELS = (2, 3, 4, 5)
CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name in ("FOLDER", "cells"):
        boxes = [voc_object(c, (8 * k + 2, 8, 8 * k + 40, 40)) for k, c in enumerate(CLASSES)]
        write_voc(folder / name, {f"im{i}": boxes for i in range(6)}, val=["im4", "im5"])
    for split in ("train", "val"):
        write_image(folder / "nuclei" / "images" / split / f"{split}.png")
        mask = np.zeros((48, 64), dtype=np.uint8)
        mask[8:40, 8:40] = 1
        (folder / "nuclei" / "masks" / split).mkdir(parents=True)
        Image.fromarray(mask).save(folder / "nuclei" / "masks" / split / f"{split}.png")
    shutil.copytree(folder / "nuclei", folder / "MASKS")
    (folder / "resnet18.safetensors").touch()
    write_image(folder / "photo.jpg")
    with open_store(f"sqlite:///{folder}/nas.db", create=True) as store:
        for name in STUDIES:
            fabric = Fabric(store, name)
            for k in range(12):
                fabric.complete(8 * (k + 1), ap=0.3 + 0.01 * k, params=1e6, latency_ms=10.0 + k)
            fabric.close("done")
    shutil.copy(folder / "nas.db", folder / "quickstart.db")
    (folder / "made").mkdir()
    made = StoredStudy(folder / "made")
    head = HeadSpec(classes=CLASSES)
    architecture = Architecture(backbone=BackboneSpec(levels=LEVELS), neck=fpn(LEVELS, 8), head=head, image_size=64)
    made.add(Detector(architecture).eval(), {"ap": 0.4, "params": 5e4}, whole=True)
    for name in STUDIES:
        export_study(made.store, "pets", folder / "exports" / name)
    made.store.close()
    return folder


@pytest.fixture
def working(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the working folder."""
    folder = Path(shutil.copytree(furnished, tmp_path / "work"))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    return folder
