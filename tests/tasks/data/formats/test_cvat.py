"""CVAT's shapes, subsets and parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import MASKS, Dataset, load
from tests.tasks.data.builders import images, write
from tests.tasks.data.formats.writers import FOUR, cvat


def first(root: Path, more: str, masks: bool = False) -> Dataset:
    """The four images, with `more` alone on the first."""
    cvat(root, FOUR | {"a": []}, more=more)
    data = DataSpec(kind="cvat", root=str(root))
    return load(data, 64, kinds=MASKS) if masks else load(data, 64)


def boxes_of(data: Dataset, name: str = "a.png") -> list[list[float]]:
    split = data.train if name in data.train.names else data.val
    return split.targets(split.names.index(name))[0].round(2).tolist()


def test_a_rotated_box_is_the_upright_one_around_it(tmp_path: Path) -> None:
    data = first(tmp_path, '<box label="cat" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90.0"/>')
    assert boxes_of(data) == [[25, 5, 35, 25]]
    assert data.faults.notes == ["rotated boxes: 1, of each the upright box around it is used"]


def test_polygons_ellipses_masks_and_cuboids_have_boxes(tmp_path: Path) -> None:
    shapes = (
        '<polygon label="cat" points="5.0,6.0;25.0,6.0;15.0,30.0"/>'
        '<ellipse label="cat" cx="30" cy="20" rx="10" ry="4" rotation="90"/>'
        '<mask label="cat" rle="1, 4, 1" left="40" top="30" width="3" height="2"/>'
        '<cuboid label="cat" xtl1="2" ytl1="2" xbl1="2" ybl1="12" xtr1="12" ytr1="2" xbr1="12" ybr1="12"'
        ' xtl2="6" ytl2="1" xbl2="6" ybl2="10" xtr2="16" ytr2="1" xbr2="16" ybr2="10"/>'
    )
    data = first(tmp_path, shapes)
    assert boxes_of(data) == [[5, 6, 25, 30], [26, 10, 34, 30], [40, 30, 43, 32], [2, 1, 16, 12]]
    assert data.faults.notes == ["cuboids: 1, of each the upright box around it is used"]


def test_outlines_are_painted_and_boxes_without_one_are_void(tmp_path: Path) -> None:
    shapes = (
        '<polygon label="cat" points="10,10;20,10;20,20;10,20"/>'
        '<mask label="dog" rle="1, 4, 1" left="40" top="30" width="3" height="2"/>'
        '<box label="cat" xtl="50" ytl="40" xbr="60" ybr="46"/>'
    )
    image = f'<image id="0" name="{{}}.png" width="64" height="48">{shapes}</image>'
    write(tmp_path / "annotations.xml", f"<annotations>{''.join(map(image.format, 'abcd'))}</annotations>")
    images(tmp_path / "images")
    data = load(DataSpec(kind="cvat", root=str(tmp_path)), 64, kinds=MASKS)
    split = data.train
    assert split.masks is not None
    mask = split.masks[0]
    assert (mask[10:20, 10:20] == 1).all()
    assert mask[30:32, 40:43].tolist() == [[0, 2, 2], [2, 2, 0]]
    assert (mask[40:46, 50:60] == 255).all()
    assert np.isin(mask[:30], (0, 1)).all()
    assert data.faults.counts["annotation without a mask"] == 4


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ('<points label="cat" points="1,2"/>', "keypoints, which have no box"),
        ('<skeleton label="cat"><points label="1" points="1,2"/></skeleton>', "keypoints, which have no box"),
        ('<polyline label="cat" points="1,2;3,4"/>', "polyline, which has no box"),
        ('<box label="cat" xtl="nan" ytl="1" xbr="3" ybr="4"/>', "unreadable object"),
        ('<box xtl="1" ytl="1" xbr="30" ybr="40"/>', "unreadable object"),
        ('<box label=" " xtl="1" ytl="1" xbr="30" ybr="40"/>', "object without a class"),
        ('<blob label="cat"/>', "unreadable object"),
        ('<polygon label="cat" points="1,2;3,4"/>', "unreadable object"),
    ],
)
def test_what_has_no_box_is_a_fault_with_its_place(tmp_path: Path, shape: str, kind: str) -> None:
    data = first(tmp_path, shape)
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith("annotations.xml, image 0 (a.png), shape 1")


def test_broken_run_lengths_are_void_in_class_maps(tmp_path: Path) -> None:
    data = first(tmp_path, '<mask label="cat" rle="1, 4" left="40" top="30" width="3" height="2"/>')
    assert boxes_of(data) == [[40, 30, 43, 32]]
    with pytest.raises(UserError, match=r"1 x broken bitmap: annotations\.xml, image 0 .*5 instead of 6 pixels"):
        first(tmp_path, '<mask label="cat" rle="1, 4" left="40" top="30" width="3" height="2"/>', masks=True)


def test_subsets_of_a_project_are_parts(tmp_path: Path) -> None:
    box = '<box label="cat" xtl="1" ytl="1" xbr="30" ybr="40"/>'
    image = '<image id="0" name="{}.png" subset="{}" width="64" height="48">' + box + "</image>"
    parts = {"a": "Train", "b": "Train", "c": "Validation", "d": "test", "y": "backlog"}
    own = "".join(image.format(name, part) for name, part in parts.items())
    write(tmp_path / "annotations.xml", f"<annotations><version>1.1</version>{own}</annotations>")
    for name, part in parts.items():
        images(tmp_path / "images" / part, [name])
    data = load(DataSpec(kind="cvat", root=str(tmp_path)), 64)
    assert (data.train.names, data.val.names) == (("a.png", "b.png"), ("c.png",))
    assert data.split == "CVAT export, parts as given"
    assert "1 images are in neither train, val nor test, and are not used" in data.faults.notes
    assert "test: 1 test image, which nothing is chosen on" in data.faults.notes
    assert data.faults.total == 0


def test_tracks_of_a_video_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write(tmp_path / "annotations.xml", "<annotations><version>1.1</version><track id='0' label='cat'/></annotations>")
    with pytest.raises(UserError, match=r"export the task as CVAT for images 1\.1"):
        load(DataSpec(kind="cvat", root=str(tmp_path)), 64)
