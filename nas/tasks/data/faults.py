"""Faults: what is wrong with a data set, counted by kind, each with a few examples."""

from __future__ import annotations

from dataclasses import dataclass, field

_EXAMPLES = 3


@dataclass
class Faults:
    """Counts by kind, and up to three places of each."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, place: str) -> None:
        """Count a fault of `kind` at `place`, a file and where in it."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(place)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def summary(self) -> str:
        """A line a kind: the count, the kind, the places."""
        lines = []
        for kind, count in self.counts.items():
            more = ", ..." if count > _EXAMPLES else ""
            lines.append(f"{count} x {kind}: {', '.join(self.examples[kind])}{more}")
        return "\n".join(lines)
