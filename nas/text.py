"""Plain text for people: tables, durations, and who prints lines of progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Say = Callable[[str], None]
"""Called with each line of progress."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows with aligned columns: texts to the left, numbers to the right."""
    columns = []
    for cells in zip(*rows, strict=True):
        width, is_number = max(map(len, cells)), any(cell[:1].isdigit() or cell[:1] == "-" for cell in cells)
        columns.append([cell.rjust(width) if is_number else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
