"""Ids and categories of COCO files: tools write numbers as text or as floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas.tasks.data.class_names import read_name
from nas.tasks.data.faults import Faults


def read_id(value: Any) -> int | str:
    """The id as a whole number, if it is one however written (3, 3.0, "3", "3.0"), else as text.

    "007" is no number: it may stand beside "7".

    Raises:
        TypeError: not a number, nor text.
        ValueError: a number that is not whole.
    """
    if isinstance(value, str):
        text = value.strip()
        whole = text.removesuffix(".0")
        return (
            int(whole) if whole.isascii() and whole.removeprefix("-").isdigit() and str(int(whole)) == whole else text
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no id")
    if value != int(value):
        raise ValueError(f"{value!r} is no id")
    return int(value)


def read_categories(items: Sequence[Any], place: str, faults: Faults) -> tuple[dict[int, str], set[str]]:
    """The names of the categories by id, and the names of those that others give as their supercategory.

    Raises:
        KeyError, TypeError, ValueError: not a list of categories.
    """
    names: dict[int, str] = {}
    for item in items:
        number = read_id(item["id"])
        if not isinstance(number, int):
            raise ValueError(f"the category id {number!r} is no number")
        name = read_name(item["name"], faults)
        twin = next((k for k, known in names.items() if known == name and k != number), None)
        if twin is not None:
            faults.note(f"{place}: the categories {twin} and {number} are both {name}, and are read as one class")
        if names.setdefault(number, name) != name:
            raise ValueError(f"the category id {number} is both {names[number]} and {name}")
    groups = {
        str(item.get("supercategory")).strip()
        for item in items
        if str(item["name"]).strip() != str(item.get("supercategory")).strip()
    }
    return names, groups & set(names.values())
