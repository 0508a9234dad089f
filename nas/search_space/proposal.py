"""Proposal: the values chosen for one neck. Names: the values a parameter can have, from a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, overload

from nas.necks.spec import NeckSpec
from nas.search_space.choosing import Choices


class Proposal(Protocol):
    """The values that were chosen for one neck."""

    def neck(self) -> NeckSpec:
        """The neck."""
        ...

    def encodings(self, parameters: Mapping[str, Choices]) -> int:
        """Number of proposals of the space that make the same neck, this one included."""
        ...


class Names(Sequence[str]):
    """The names of a table as it is now: others may add to it."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return tuple(self._names())[index]

    def __len__(self) -> int:
        return len(tuple(self._names()))
