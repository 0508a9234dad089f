"""A folder seen as a layout."""

from __future__ import annotations

from pathlib import Path

from nas.tasks.data.layouts.layout import Layout, match
from nas.tasks.data.layouts.tree import Tree
from tests.tasks.data.layouts.builders import write

LAYOUT = Layout(
    "coco", "some export", annotations=("{}/a.json",), images=("{}/",), unless=("other.txt",), seedable=True
)


def test_parts_have_one_of_several_names(tmp_path: Path) -> None:
    for part in ("train2017", "Validation"):
        write(tmp_path / part / "a.json", "{}")
    found = match(LAYOUT, Tree(tmp_path))
    assert found.val is not None
    assert (found.train.annotations, found.val.images) == (tmp_path / "train2017/a.json", tmp_path / "Validation")
    assert found.complete
    assert found.how("") == "some export: train2017, Validation"


def test_without_a_part_for_validation_the_split_is_by_seed(tmp_path: Path) -> None:
    write(tmp_path / "train/a.json", "{}")
    found = match(LAYOUT, Tree(tmp_path))
    assert (found.val, found.complete, found.how("by seed")) == (None, True, "some export, by seed")
    (tmp_path / "val").mkdir()
    found = match(LAYOUT, Tree(tmp_path))
    assert (found.complete, found.missing) == (False, ("the annotations (val/a.json)",))


def test_a_file_of_another_layout_excludes_it(tmp_path: Path) -> None:
    write(tmp_path / "train/a.json", "{}")
    write(tmp_path / "other.txt", "")
    found = match(LAYOUT, Tree(tmp_path))
    assert (found.missing, found.excluded, found.complete) == ((), True, False)
