"""Faults: what is wrong with a data set, counted by kind, each with a few examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from nas.errors import UserError
from nas.studies.spec import DataSpec

_EXAMPLES = 3

OTHER_SIZE = "image of another size than stated"

_WAYS_OUT = {OTHER_SIZE: "bring image and annotation to one size, or correct the stated one"}
"""What to do about a kind of fault, where its name does not say it."""


@dataclass
class Faults:
    """Counts by kind and up to three places of each; and notes on how the data was read, which are no faults."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, place: str) -> None:
        """Count a fault of `kind` at `place`, a file and where in it."""
        self.counts[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(place)

    def note(self, text: str) -> None:
        """Keep a sentence that the user should read, once."""
        if text not in self.notes:
            self.notes.append(text)

    def join(self, other: Faults) -> None:
        """Add all that `other` has."""
        self.counts.update(other.counts)
        for kind, places in other.examples.items():
            self.examples[kind] = (self.examples.get(kind, []) + places)[:_EXAMPLES]
        for text in other.notes:
            self.note(text)

    @property
    def total(self) -> int:
        return self.counts.total()

    def summary(self) -> str:
        """A line a kind: the count, the kind, the places, the way out."""
        return "\n".join(
            f"{count} x {kind}: {', '.join(self.examples[kind])}{', ...' if count > _EXAMPLES else ''}{way_out(kind)}"
            for kind, count in self.counts.items()
        )


def refuse_if_strict(spec: DataSpec, faults: Faults) -> None:
    """Raise UserError if there are faults and the study wants none."""
    if spec.strict and faults.total:
        raise UserError(f"{spec.root}: {faults.total} faults, refused because of strict\n{faults.summary()}")


def way_out(kind: str) -> str:
    """What to do about a kind of fault, in brackets; empty where its name says it."""
    return f" ({_WAYS_OUT[kind]})" if kind in _WAYS_OUT else ""
