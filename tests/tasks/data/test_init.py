"""The table of kinds, and what is told before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import SpecError
from nas.study import DataSpec
from nas.tasks.data import check, load


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
