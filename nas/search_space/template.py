"""Template: how a space's parameters make a neck. And the levels, which all templates choose alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, overload

from nas.errors import Fault
from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import MAX_LEVEL, NeckSpec
from nas.search_space.choosing import Choice, Chooser, Replay, Script, Values

SMALLEST_MAP = 2
"""Cells a side that the coarsest level must have: BatchNorm and 3x3 convolutions make no sense on less."""

LOOKED_AT = 1_000
"""Proposals that are compared with a neck that is looked for: a few milliseconds each."""

UNITS = {"width": "channels"}
"""Parameter -> unit, of those that have one."""

ALWAYS_ASKED = ("finest", "levels", "topology", "width")
"""Parameters that every neck tells, so that without a value for them there is none."""


class Plan(Protocol):
    """Everything that was chosen for one neck."""

    def neck(self) -> NeckSpec: ...

    def encodings(self, parameters: Mapping[str, Values]) -> int:
        """How many proposals of the space make the same neck, this one included."""
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


def no_traces(neck: NeckSpec, parameters: Mapping[str, Values]) -> dict[str, Values] | None:
    return None


def no_more(parameters: Mapping[str, Values]) -> list[Fault]:
    return []


@dataclass(frozen=True)
class Template:
    """`known`: parameters and what each may be; `about`: what each means (`UNITS` has their units).

    `unasked`: those that a file may leave out, and what they are then.
    `plan` asks for what matters; `faults` finds choices that do not go together. `written` names the unasked ones that
    every space holds: studies are stored with their space, and those of old have them. `traces` tells which values of
    the parameters a neck can have come from, so that one is found among few; None where it leaves too many. `cheapest`
    names choices that take no more parameters and MACs than any other, all else equal, the first first.
    """

    known: Mapping[str, Sequence[Choice]]
    about: Mapping[str, str]
    unasked: Mapping[str, Choice]
    plan: Callable[[Chooser, Frame], Plan]
    faults: Callable[[Mapping[str, Values]], list[Fault]] = no_more
    written: tuple[str, ...] = ()
    traces: Callable[[NeckSpec, Mapping[str, Values]], Mapping[str, Values] | None] = no_traces
    cheapest: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def plans(self, parameters: Mapping[str, Values], frame: Frame) -> Iterator[tuple[dict[str, Choice], Plan]]:
        """Every proposal, once, with its answers."""
        for trial, _, plan in self._walk(parameters, frame):
            yield trial.params, plan

    def find(self, neck: NeckSpec, parameters: Mapping[str, Values], frame: Frame) -> dict[str, Choice] | None:
        """The answers that make the neck; None where none do, or none of the first LOOKED_AT."""
        traces = self.traces(neck, parameters)
        if traces is None or not fits(frame, min(neck.output_levels), len(neck.outputs)):
            return None
        few = dict(parameters)
        for name, values in traces.items():
            left = tuple(value for value in parameters.get(name, values) if value in values)
            if not left and name in ALWAYS_ASKED:
                return None
            few[name] = left or parameters[name]  # of what is not asked for, a neck tells nothing
        for _, chooser, plan in islice(self._walk(few, frame), LOOKED_AT):
            if digest(plan.neck()) == digest(neck):
                replay = Replay(chooser.chosen)
                self.plan(Chooser(parameters, replay), frame)
                return replay.params
        return None

    def _walk(self, parameters: Mapping[str, Values], frame: Frame) -> Iterator[tuple[Script, Chooser, Plan]]:
        script: list[int] | None = []
        while script is not None:
            trial = Script(script)
            chooser = Chooser(parameters, trial)
            plan = self.plan(chooser, frame)
            yield trial, chooser, plan
            script = trial.next()


def fits(frame: Frame, finest: Any, levels: Any) -> bool:
    """Whether a pyramid of so many levels can start there."""
    coarsest = finest + levels - 1
    return finest in frame.channels and coarsest <= MAX_LEVEL and frame.map_size(coarsest) >= SMALLEST_MAP


def choose_levels(choose: Chooser, frame: Frame) -> range:
    """The pyramid's levels."""
    finest = choose("finest", lambda f: any(fits(frame, f, n) for n in choose.parameters["levels"]))
    count = choose("levels", lambda n: fits(frame, finest, n))
    return range(finest, finest + count)
