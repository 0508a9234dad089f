"""Names of classes as people write them: blanks around them do not count, the case of letters does."""

from __future__ import annotations

from collections.abc import Iterable

from nas.tasks.data.faults import Faults


def read_name(name: object, faults: Faults) -> str:
    """The name without blanks around it."""
    written = str(name)
    bare = written.strip()
    if bare != written:
        faults.note(f"the class {written!r} is read as {bare!r}, without blanks around it")
    return bare


def note_case(classes: Iterable[str], faults: Faults) -> None:
    """Report classes that differ in case alone, often a slip; they stay two classes."""
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(name.casefold(), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            faults.note(f"the classes {', '.join(names)} differ in case alone and are kept apart: are they one?")
