"""The forms of the rows of YOLO label files."""

from __future__ import annotations

import pytest

from nas.errors import UserError
from nas.tasks.data.faults import Faults
from nas.tasks.data.yolo_rows import YoloRows

NAMES = {0: "cat", 1: "dog"}
BOX = "1 .5 .5 .25 .5"
AROUND = ("dog", (0.375, 0.25, 0.625, 0.75))


def read(line: str, keypoints: tuple[int, int] | None = None) -> object:
    return YoloRows(NAMES, keypoints).read(line)


@pytest.mark.parametrize("keypoints", [None, (0, 0), (2, 2), (17, 3)])
def test_five_values_are_a_box(keypoints: tuple[int, int] | None) -> None:
    assert read(BOX, keypoints) == AROUND


@pytest.mark.parametrize(
    ("points", "keypoints"),
    [
        (".1 .9", (1, 2)),
        (".1 .9 .5 .5", (2, 2)),
        ("0 0 .5 .5", (2, 2)),
        (".1 .9 2", (1, 3)),
        (".1 .9 2 0 0 0", (2, 3)),
        ("-.3 1.4 1", (1, 3)),  # a keypoint may lie outside of the image
    ],
)
def test_keypoints_are_not_used(points: str, keypoints: tuple[int, int]) -> None:
    assert read(f"{BOX} {points}", keypoints) == AROUND


@pytest.mark.parametrize("line", [f"{BOX} .1 .9", f"{BOX} .1", f"{BOX} .1 .9 .1 .9 .1 .9", "1 .5 .5 .25"])
def test_with_keypoints_another_number_of_values_is_a_fault(line: str) -> None:
    assert read(line, (2, 2)) == "label that is neither a box nor one with the keypoints of kpt_shape [2, 2]"


@pytest.mark.parametrize(
    ("line", "corners"),
    [
        ("0 .25 .5 .5 .25 .75 .5", (0.25, 0.25, 0.75, 0.5)),
        ("0 .25 .5 .5 .25 .75 .5 .5 .75", (0.25, 0.25, 0.75, 0.75)),  # four corners: an oriented box, or a polygon
        ("0 .1 .1 .2 .1 .3 .2 .2 .3 .1 .2", (0.1, 0.1, 0.3, 0.3)),
    ],
)
@pytest.mark.parametrize("keypoints", [None, (0, 0)])
def test_corners_stand_for_the_box_around_them(
    line: str, corners: tuple[float, ...], keypoints: tuple[int, int] | None
) -> None:
    assert read(line, keypoints) == ("cat", corners)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"{BOX} .9", "label of six values, where predictions have a confidence: leave it out"),
        (f"{BOX} .9 .9 .9", "label without class x y width height"),
        ("1 .5", "label without class x y width height"),
        ("1", "label without class x y width height"),
        ("1 .5 .5 .25 wide", "label that is not of numbers"),
        (f"{BOX} .5 2", "label outside of 0 to 1"),
        ("2 .5 .5 .25 .5", "unknown class"),
    ],
)
def test_everything_else_is_a_fault(line: str, kind: str) -> None:
    assert read(line) == kind


def concluded(lines: list[str], keypoints: tuple[int, int] | None = None) -> list[str]:
    rows, faults = YoloRows(NAMES, keypoints), Faults()
    for line in lines:
        assert not isinstance(rows.read(line), str)
    rows.conclude("data", faults)
    return faults.notes


@pytest.mark.parametrize(("points", "count"), [(".1 .9", 1), (".5 .5 .5 .5", 2), (".5 .5 1 .4 .4 1", 3)])
def test_boxes_with_keypoints_are_no_polygons_unless_data_yaml_says_so(points: str, count: int) -> None:
    lines = [f"{BOX} {points}", BOX, f"0 .9 .9 .2 .2 {points}"]
    with pytest.raises(UserError, match=rf"data: 2 rows of .* by kpt_shape: \[{count}, 2\] or, for polygons"):
        concluded(lines)
    assert concluded(lines, (0, 0)) == [
        "2 rows are polygons or oriented boxes (1 others are boxes): the box around each is used"
    ]


def test_rows_of_several_lengths_are_polygons() -> None:
    assert concluded([f"{BOX} .1 .9", f"{BOX} .1 .9 .2 .8"]) == [
        "2 rows are polygons or oriented boxes: the box around each is used"
    ]


def test_corners_in_the_lower_right_are_no_boxes() -> None:
    square = "0 .7 .7 .9 .7 .9 .9 .7 .9"
    assert concluded([square, BOX]) == [
        "1 rows are polygons or oriented boxes (1 others are boxes): the box around each is used"
    ]


def test_boxes_alone_need_no_word() -> None:
    assert concluded([BOX, BOX]) == []
    assert concluded([f"{BOX} .1 .9"], (1, 2)) == []
