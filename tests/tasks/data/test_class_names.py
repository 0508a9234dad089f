"""Names of classes as people write them."""

from __future__ import annotations

from nas.tasks.data.class_names import note_case, read_name
from nas.tasks.data.faults import Faults


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
