"""The table of kinds, and what is told before anything is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.errors import SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, check, load


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"kind": "yolk"}, "kind: unknown 'yolk'; one of digits, voc, coco, yolo"),
        ({"kind": "voc"}, "root: is missing: name the folder of the voc data"),
        ({"kind": "coco", "root": "/nowhere"}, "root: there is no folder /nowhere"),
        ({"kind": "voc", "root": "/nowhere"}, "root: there is no folder /nowhere"),
        ({"kind": "digits", "classes": ["1", "1"]}, "classes: list each class once"),
        ({"kind": "digits", "classes": []}, "classes: list each class once"),
    ],
)
def test_faults_name_the_place_and_the_way_out(data: dict[str, object], fault: str) -> None:
    spec = DataSpec.parse(data)
    (found,) = check(spec)
    assert str(found).startswith(fault)
    with pytest.raises(SpecError, match=found.path):
        load(spec, 64)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    path.touch()
    assert [fault.path for fault in check(DataSpec(kind="voc", root=str(path)))] == ["root"]


def test_digits_need_nothing() -> None:
    assert check(DataSpec(kind="digits")) == []


def test_a_fraction_of_the_training_images_is_drawn_by_the_seed() -> None:
    def loaded(**data: object) -> Dataset:
        return load(DataSpec.parse({"kind": "digits", "train": 16, "val": 8} | data), 96)

    whole, half = loaded(), loaded(fraction=0.5)
    assert len(half.train) == 8
    assert len(half.val) == len(whole.val)
    assert half.split == f"{whole.split}, 0.5 of the training images"
    places = [whole.train.names.index(name) for name in half.train.names]
    assert places == sorted(places)
    for i, place in enumerate(places):
        assert all(np.array_equal(a, b) for a, b in zip(half.train.targets(i), whole.train.targets(place), strict=True))
        assert np.array_equal(half.train.batch([i]), whole.train.batch([place]))
    assert half.digest != whole.digest
    assert loaded(fraction=0.5).digest == half.digest
