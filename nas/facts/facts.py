"""Facts: what a verb prints, and a route answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Facts(NamedTuple):
    """Something that is known.

    Attributes:
        data: as JSON.
        lines: as text, a line each.
    """

    data: dict[str, Any]
    lines: Sequence[str]

    @property
    def text(self) -> str:
        """The lines, each with its end."""
        return "".join(f"{line}\n" for line in self.lines)
