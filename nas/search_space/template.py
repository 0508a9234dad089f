"""Template: how the parameters of a space make a neck. And the levels, which all templates choose alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from nas.errors import Fault
from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import MAX_LEVEL, NeckSpec
from nas.search_space.choosing import Choices, Chooser
from nas.search_space.proposal import Proposal
from nas.search_space.scaling import scaled
from nas.search_space.trials import Choice, GridTrial, ReplayTrial

SMALLEST_MAP = 2
"""Least height and width of the coarsest map: BatchNorm and 3x3 convolutions make no sense on a single pixel."""

MAX_COMPARED = 1_000
"""Most proposals that `Template.find` compares with a neck, each in a few milliseconds."""

UNITS = {"width": "channels"}
"""Parameter -> unit, of those that have one."""

REQUIRED = ("finest", "levels", "topology", "width")
"""Parameters present in every neck."""


def _infer_nothing(neck: NeckSpec, parameters: Mapping[str, Choices]) -> dict[str, Choices] | None:
    return None


def _no_faults(parameters: Mapping[str, Choices]) -> list[Fault]:
    return []


@dataclass(frozen=True)
class Template:
    """A family of necks with parameters.

    Attributes:
        domains: the parameters, each with all values it can have.
        about: what each parameter means. `UNITS` has their units.
        defaults: the parameters that a file may leave out, with their values.
        propose: asks for the parameters that matter.
        faults: finds choices that do not go together.
        stored: the defaults that are stored with every space. Stored studies of before have them.
        infer: the values of the parameters from which a neck can come; None if they are too many to compare.
        cheapest: choices that take no more parameters and MACs than any other, all else equal, the best first.
    """

    domains: Mapping[str, Sequence[Choice]]
    about: Mapping[str, str]
    defaults: Mapping[str, Choice]
    propose: Callable[[Chooser, Frame], Proposal]
    faults: Callable[[Mapping[str, Choices]], list[Fault]] = _no_faults
    stored: tuple[str, ...] = ()
    infer: Callable[[NeckSpec, Mapping[str, Choices]], Mapping[str, Choices] | None] = _infer_nothing
    cheapest: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def proposal(self, choose: Chooser, frame: Frame) -> Proposal:
        """A proposal for the frame. Of a plain backbone's map, the levels are made first."""
        on_levels = self.propose(choose, frame.scaled())
        return on_levels if frame.scales is None else scaled(on_levels, choose, frame, self.domains)

    def proposals(
        self, parameters: Mapping[str, Choices], frame: Frame
    ) -> Iterator[tuple[GridTrial, Chooser, Proposal]]:
        """Every proposal once, with the trial and the chooser that made it."""
        indices: list[int] | None = []
        while indices is not None:
            trial = GridTrial(indices)
            chooser = Chooser(parameters, trial)
            yield trial, chooser, self.proposal(chooser, frame)
            indices = trial.next_indices()

    def find(self, neck: NeckSpec, parameters: Mapping[str, Choices], frame: Frame) -> dict[str, Choice] | None:
        """The answers of a trial that make `neck`; None if no proposal does, or none of the first `MAX_COMPARED`."""
        inferred = self.infer(neck, parameters)
        if inferred is None or not fits(frame.scaled(), min(neck.output_levels), len(neck.outputs)):
            return None
        part = dict(parameters)
        for name, values in inferred.items():
            left = tuple(value for value in parameters.get(name, values) if value in values)
            if not left and name in REQUIRED:
                return None
            # A parameter that did not matter to the neck may have any value.
            part[name] = left or parameters[name]
        for _, chooser, proposal in islice(self.proposals(part, frame), MAX_COMPARED):
            if digest(proposal.neck()) == digest(neck):
                # Asked again with all choices, because the names for Optuna depend on them.
                replay = ReplayTrial(chooser.chosen)
                self.proposal(Chooser(parameters, replay), frame)
                return replay.params
        return None


def fits(frame: Frame, finest: Any, levels: Any) -> bool:
    """Whether a pyramid of `levels` levels can start at level `finest`."""
    coarsest = finest + levels - 1
    return finest in frame.channels and coarsest <= MAX_LEVEL and frame.map_size(coarsest) >= SMALLEST_MAP


def choose_levels(choose: Chooser, frame: Frame) -> range:
    """Ask for the levels of the pyramid."""
    finest = choose("finest", lambda f: any(fits(frame, f, n) for n in choose.parameters["levels"]))
    count = choose("levels", lambda n: fits(frame, finest, n))
    return range(finest, finest + count)
