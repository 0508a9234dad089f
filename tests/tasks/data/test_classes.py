"""Classes without objects: a slip of the pen is refused with what was meant, others are reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas import tasks
from nas.errors import UserError
from nas.studies.spec import DataSpec, TaskSpec
from nas.tasks import data, prepare
from nas.tasks.coco_metrics import Detections, evaluate
from nas.tasks.data.classes import absent, note_case, present, read_name, remarks, with_close
from nas.tasks.data.faults import Faults
from tests.tasks.data.folders import coco_file, write_coco

NAMES = {0: "cells", 1: "ant", 2: "bee", 3: "cat"}
"""Of a group that has no objects, of classes in both parts, in train, and in val alone."""

BOX = (4, 4, 20, 20)


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(write_coco(tmp_path, coco_file([(1, BOX), (2, BOX)], NAMES), coco_file([(1, BOX), (3, BOX)], NAMES)))


def load(root: str, *classes: str, known: tuple[str, ...] = ()) -> data.Dataset:
    return data.load(DataSpec(kind="coco", root=root, classes=classes or None), 32, known=known)


def test_classes_that_the_file_names_need_no_object(root: str) -> None:
    found = load(root)
    assert found.classes == ("cells", "ant", "bee", "cat")
    assert found.occurring == ("ant", "bee", "cat")
    assert present(found.train, found.classes) == ("ant", "bee")
    assert absent(found, found.val) == ("cells", "bee")
    assert list(remarks(found)) == [
        "no object of the class cells in train or val",
        "no object of the class cat in train: it cannot be learnt",
        "no object of the class bee in val: metrics are over the 2 of 4 classes that occur in val",
    ]
    assert list(remarks(load(root, "ant"))) == []


def test_the_average_precision_is_over_the_classes_that_occur(root: str) -> None:
    found = load(root)
    boxes = found.val.boxes
    right: list[Detections] = [(boxes, np.ones(2), found.val.labels)]
    assert evaluate(found.val, right, found.classes)["ap"] == pytest.approx(1)
    false: list[Detections] = [(np.tile(boxes, (2, 1)), np.ones(4), np.array([*found.val.labels, 0, 2]))]
    assert evaluate(found.val, false, found.classes)["ap"] == pytest.approx(1)


def test_a_launch_reports_them(root: str) -> None:
    said: list[str] = []
    task = TaskSpec.parse({"kind": "detection", "data": {"kind": "coco", "root": root}, "image_size": 64,
                           "backbone": {"tune": "full"}})  # fmt: skip
    prepare(task, said.append)
    assert "no object of the class cells in train or val" in said[1]


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (("ant", "Bees"), r"no object of the class Bees \(did you mean bee\?\); the data has ant, bee, cat$"),
        (("ant", "cells"), r"no object of the class cells; the data has ant, bee, cat$"),
        (("ants",), r"no objects of the classes ants \(did you mean ant\?\) in train"),
    ],
    ids=str,
)
def test_a_listed_class_without_an_object_is_refused_and_what_was_meant_is_named(
    root: str, classes: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        load(root, *classes)


def test_a_listed_class_that_a_model_knows_needs_no_object(root: str) -> None:
    found = load(root, "ant", "cells", known=("ant", "cells"))
    assert found.classes == ("ant", "cells")
    with pytest.raises(UserError, match="class bees"):
        load(root, "ant", "cells", "bees", known=("ant", "cells"))


def test_an_export_is_trained_on_where_one_of_its_classes_has_no_object(root: str) -> None:
    source = {"kind": "coco", "root": root, "classes": ["ant", "cells"]}
    spec = TaskSpec.parse({"kind": "detection", "data": source, "image_size": 64, "backbone": {"tune": "full"}})
    said: list[str] = []
    tasks.load(spec, said.append, known=("ant", "cells"))
    assert "data: no object of the class cells in train or val" in said
    with pytest.raises(UserError, match="no object of the class cells; the data has ant, bee, cat"):
        tasks.load(spec, said.append)


def test_class_maps_alike(tmp_path: Path) -> None:
    for part, index in (("train", 1), ("val", 3)):
        for folder in ("images", "masks"):
            (tmp_path / folder / part).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / part / "a.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[:8], mask[8:16] = index, 2
        Image.fromarray(mask).save(tmp_path / "masks" / part / "a.png")
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\ncells\n")
    spec = DataSpec(kind="masks", root=str(tmp_path))
    found = data.load(spec, 32, kinds=data.MASKS)
    assert list(remarks(found)) == [
        "no object of the class cells in train or val",
        "no object of the class cat in train: it cannot be learnt",
        "no object of the class ant in val: metrics are over the 2 of 4 classes that occur in val",
    ]
    with pytest.raises(UserError, match=r"class Bea \(did you mean bee\?\); the data has ant, bee, cat$"):
        data.load(spec.model_copy(update={"classes": ("ant", "bee", "Bea")}), 32, kinds=data.MASKS)


def test_a_crowd_alone_is_no_object_to_be_measured(tmp_path: Path) -> None:
    train, val = (coco_file([(1, BOX), (2, BOX)], NAMES) for _ in range(2))
    val["annotations"][1]["iscrowd"] = 1
    found = load(str(write_coco(tmp_path, train, val)), "ant", "bee")
    assert absent(found, found.val) == ("bee",)


def test_close_names() -> None:
    known = ("RBC", "WBC", "Platelets")
    assert with_close(["rbc", "platelet", "zebra", "WBC"], known) == (
        "rbc (did you mean RBC?), platelet (did you mean Platelets?), zebra, WBC"
    )


def test_blanks_around_a_name_do_not_count() -> None:
    faults = Faults()
    assert [read_name(name, faults) for name in ("RBC", " RBC ", "\tRBC", " RBC ")] == ["RBC"] * 4
    assert faults.notes == [
        "the class ' RBC ' is read as 'RBC', without blanks around it",
        "the class '\\tRBC' is read as 'RBC', without blanks around it",
    ]


def test_case_alone_is_suspicious() -> None:
    faults = Faults()
    note_case(["RBC", "rbc", "WBC", "Rbc"], faults)
    assert faults.notes == ["the classes RBC, rbc, Rbc differ in case alone and are kept apart: are they one?"]
