"""CSV tables and CreateML lists."""

from __future__ import annotations

from pathlib import Path

from nas.studies.spec import DataSpec
from nas.tasks.data import MASKS, check, load
from tests.tasks.data.builders import images, write
from tests.tasks.data.formats.writers import FOUR, createml, csv

HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def test_files_and_folders_are_parts(tmp_path: Path) -> None:
    for part, names in (("train", "ab"), ("valid", "c"), ("test", "d")):
        csv(tmp_path / "folders" / part, {name: FOUR[name] for name in names})
        createml(tmp_path / "lists" / part, {name: FOUR[name] for name in names})
    for root, kind in (("folders", "csv"), ("lists", "createml")):
        data = load(DataSpec(kind=kind, root=str(tmp_path / root)), 64)
        assert (data.train.names, data.val.names) == (("a.png", "b.png"), ("c.png",))
        assert any("test: 1 test image" in note for note in data.faults.notes)
    for part, name in (("train", "a"), ("test", "b"), ("val", "c")):
        write(tmp_path / f"files/data/{part}_labels.csv", f"{HEAD}{name}.png,64,48,cat,1,1,30,30\n")
        images(tmp_path / "files/images" / part, [name])
    data = load(DataSpec(kind="csv", root=str(tmp_path / "files")), 64)
    assert (data.train.names, data.val.names) == (("a.png",), ("c.png",))


def test_faulty_rows_are_named(tmp_path: Path) -> None:
    csv(tmp_path)
    path = tmp_path / "_annotations.csv"
    rows = ["a.png,64,48,cat,1,1,x,30", "a.png,64,48,,1,1,30,30", "b.png,32,48,cat,1,1,30,30", "e.png,64,48,,,,,"]
    path.write_text(path.read_text() + "\n" + "\n".join(rows))
    images(tmp_path, ["e"])
    faults = load(DataSpec(kind="csv", root=str(tmp_path)), 64).faults
    assert faults.counts == {"unreadable object": 1, "object without a class": 1, "unreadable annotation": 1}
    assert faults.examples["unreadable annotation"][0].startswith(
        "_annotations.csv, b.png: an image of 2 sizes, in line 3"
    )


def test_they_have_no_class_maps(tmp_path: Path) -> None:
    csv(tmp_path)
    (fault,) = check(DataSpec(kind="csv", root=str(tmp_path)), MASKS)
    assert fault.message.startswith("csv data have no masks; one of digits, masks, coco, cvat")
