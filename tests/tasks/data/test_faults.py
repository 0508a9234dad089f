from __future__ import annotations

from nas.tasks.data import Faults


def test_counts_all_and_shows_three() -> None:
    faults = Faults()
    for number in range(5):
        faults.add("degenerate box", f"a.xml, object {number}")
    faults.add("missing image", "b.png")
    assert faults.total == 6
    assert faults.summary().splitlines() == [
        "5 x degenerate box: a.xml, object 0, a.xml, object 1, a.xml, object 2, ...",
        "1 x missing image: b.png",
    ]


def test_nothing_to_tell() -> None:
    assert Faults().summary() == ""
