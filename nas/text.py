"""Plain text for people: tables, durations, and who prints lines of progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Say = Callable[[str], None]
"""Called with each line of progress."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: texts to the left, numbers to the right. Of no rows: nothing."""
    if not rows:
        return ""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    rights = [any(_is_number(row[k]) for row in rows) for k in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, rights, strict=True)
        ).rstrip()
        for row in rows
    )


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text[:1] == "-"
