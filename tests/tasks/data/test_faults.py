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


def test_a_note_is_no_fault_and_is_kept_once() -> None:
    faults = Faults()
    for _ in range(2):
        faults.note("test.txt is not used")
    assert (faults.notes, faults.total, faults.summary()) == (["test.txt is not used"], 0, "")


def test_joined_they_count_together_and_still_show_three() -> None:
    one, two = Faults(), Faults()
    for faults, places in ((one, "ab"), (two, "cd")):
        faults.note("read upright")
        for place in places:
            faults.add("missing image", place)
    two.add("degenerate box", "e")
    one.join(two)
    assert one.counts == {"missing image": 4, "degenerate box": 1}
    assert one.examples == {"missing image": ["a", "b", "c"], "degenerate box": ["e"]}
    assert one.notes == ["read upright"]
    assert two.examples["missing image"] == ["c", "d"]
