"""Ids as tools write them."""

from __future__ import annotations

from typing import Any

import pytest

from nas.tasks.data.coco_ids import read_categories, read_id
from nas.tasks.data.faults import Faults


@pytest.mark.parametrize(
    ("written", "value"),
    [(3, 3), (3.0, 3), ("3", 3), (" 3 ", 3), ("3.0", 3), ("-1", -1), ("007", "007"), ("a.jpg", "a.jpg"), ("٣", "٣")],
)
def test_ids(written: Any, value: int | str) -> None:
    found = read_id(written)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("written", [3.5, float("nan"), float("inf"), True, None, [3], {}])
def test_what_is_no_id(written: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        read_id(written)


def test_categories_of_one_name_are_one_class() -> None:
    faults = Faults()
    items = [{"id": "1", "name": "RBC"}, {"id": 2, "name": " RBC "}, {"id": 2.0, "name": "RBC"}]
    assert read_categories(items, "a.json", faults) == ({1: "RBC", 2: "RBC"}, set())
    assert "a.json: the categories 1 and 2 are both RBC, and are read as one class" in faults.notes


def test_an_id_has_one_name() -> None:
    with pytest.raises(ValueError, match="the category id 1 is both cat and dog"):
        read_categories([{"id": 1, "name": "cat"}, {"id": "1", "name": "dog"}], "", Faults())
    with pytest.raises(ValueError, match="'x' is no number"):
        read_categories([{"id": "x", "name": "cat"}], "", Faults())


def test_groups_are_what_others_name_as_supercategory() -> None:
    items: list[dict[str, Any]] = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 1, "name": "RBC", "supercategory": "cells"},
        {"id": 2, "name": "WBC", "supercategory": "WBC"},
        {"id": 3, "name": "other"},
    ]
    assert read_categories(items, "", Faults())[1] == {"cells"}
