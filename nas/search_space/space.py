"""SearchSpace: which necks may be proposed. A template asks for its parameters, and a trial answers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from nas.errors import Fault, SpecError
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.plugins import Table
from nas.search_space.choosing import Choices, Chooser, parse_choices
from nas.search_space.merging import MERGING_CELLS
from nas.search_space.pyramid import PYRAMID
from nas.search_space.scaling import SCALING, scaling_faults
from nas.search_space.template import MAX_COMPARED, SMALLEST_MAP, Template, fits
from nas.search_space.trials import Choice, RandomTrial, Trial
from nas.value import Faulty, Value

TEMPLATES = Table("templates", Template) | {"pyramid": PYRAMID, "merging_cells": MERGING_CELLS}
"""Name -> template. `nas.Space` makes one of a class."""


_LEVELS = {"finest", "levels"}
"""Parameters that our own templates have; those of others need not."""


class SearchSpace(Value):
    """A template with the choices of its parameters."""

    name: str
    """Name of the space. Without the key: the file's name without its ending."""
    version: int = Field(1, ge=1)
    """Version of the space, for its author's own use."""
    template: str = "pyramid"
    """The family of necks that the parameters belong to."""
    parameters: dict[str, Choices]
    """Parameters of the template, each a value, a list of choices, or a range of whole numbers."""

    @field_validator("template")
    @classmethod
    def _validate_template(cls, template: str) -> str:
        if template not in TEMPLATES:
            raise ValueError(f"unknown {template!r}; one of {', '.join(TEMPLATES)}")
        return template

    @field_validator("parameters", mode="before")
    @classmethod
    def _parse_parameters(cls, parameters: Any, info: ValidationInfo) -> Any:
        name = info.data.get("template")
        if not isinstance(parameters, Mapping) or name is None:
            return parameters
        template = TEMPLATES[name]
        choices, faults = parse_choices({key: template.defaults[key] for key in template.stored} | {**parameters})
        faults += [fault for fault in _faults(template, choices) if fault.path not in {f.path for f in faults}]
        if faults:
            raise Faulty(faults)
        return choices

    @cached_property
    def choices(self) -> dict[str, Choices]:
        """The choices of all parameters of the template, defaults included."""
        return {name: (value,) for name, value in TEMPLATES[self.template].defaults.items()} | self.parameters

    def narrowed(self, space: Mapping[str, Any]) -> SearchSpace:
        """This space with some parameters narrowed or fixed.

        Args:
            space: the parameters with their new choices, as in a study's `space`.

        Raises:
            SpecError: a parameter or a choice is unknown, or there is no choice.
        """
        choices, faults = parse_choices(space)
        parameters = self.parameters | choices
        faults += _faults(TEMPLATES[self.template], parameters)
        if faults:
            raise SpecError("", [Fault(f"space.{fault.path}", fault.message) for fault in faults])
        return self._with_parameters(choices)

    def narrowest(self) -> SearchSpace:
        """The part of this space with the least width and the fewest repeats."""
        choices = self.choices
        least: dict[str, Choices] = {name: (min(choices[name]),) for name in ("width", "repeats") if name in choices}
        shared: dict[str, Choices] = {"widths": ("shared",)} if "shared" in choices.get("widths", ()) else {}
        return self._with_parameters(least | shared)

    def cheapest(self) -> SearchSpace:
        """The part of this space that holds the neck with the fewest parameters and the neck with the fewest MACs."""
        least: dict[str, Choices] = {}
        for name, order in TEMPLATES[self.template].cheapest.items():
            cheapest = next((value for value in order if value in self.choices[name]), None)
            if cheapest is not None:
                least[name] = (cheapest,)
        return self.narrowest()._with_parameters(least)

    def _with_parameters(self, parameters: Mapping[str, Choices]) -> SearchSpace:
        return self.model_copy(update={"parameters": {**self.parameters, **parameters}})

    def coarsest_input(self, frame: Frame) -> int:
        """The coarsest backbone level that all necks of the space take."""
        if not self.choices.keys() >= _LEVELS:
            return min(max(neck.inputs) for _, neck in islice(self.proposals(frame), MAX_COMPARED))
        if frame.scales is not None:
            return frame.levels[-1]
        finest, counts = ([int(x) for x in self.choices[name]] for name in ("finest", "levels"))
        ranges = [range(f, f + n) for f in finest for n in counts if fits(frame, f, n)]
        return min(max(level for level in frame.levels if level in levels) for levels in ranges)

    def check(self, frame: Frame) -> None:
        """Check that a neck of the space fits the frame.

        Raises:
            SpecError: no neck fits.
        """
        if faults := scaling_faults(self.parameters, frame):
            raise SpecError("", faults)
        if not self.choices.keys() >= _LEVELS:
            self._check_first(frame)
        elif not any(fits(frame.scaled(), f, n) for f in self.parameters["finest"] for n in self.parameters["levels"]):
            levels = ", ".join(f"P{x}" for x in frame.scaled().levels)
            gives = "the backbone gives" if frame.scales is None else "of the backbone's map are made"
            message = (
                f"no pyramid of finest {list(self.parameters['finest'])} and levels {list(self.parameters['levels'])} "
                f"fits: {gives} {levels}, and the coarsest map of an image of {frame.image_size} pixels "
                f"must have at least {SMALLEST_MAP} x {SMALLEST_MAP} pixels"
            )
            raise SpecError("", [Fault("space.levels", message)])

    def _check_first(self, frame: Frame) -> None:
        """Check a template of the user's by its first proposal."""
        _, neck = next(self.proposals(frame))
        try:
            neck.check(frame.channels)
        except SpecError as error:
            faults = [Fault("search_space", f"the first neck of {self.name} does not fit: {f}") for f in error.faults]
            raise SpecError("", faults) from None

    def suggest(self, trial: Trial, frame: Frame) -> NeckSpec:
        """The neck that an Optuna trial proposes. The trial is asked only for parameters that matter."""
        return TEMPLATES[self.template].proposal(Chooser(self.choices, trial), frame).neck()

    def ask(self, trial: Trial, frame: Frame) -> dict[str, Choice]:
        """All parameters of a trial's proposal, those with a single choice among them. Its neck is not made."""
        chooser = Chooser(self.choices, trial)
        TEMPLATES[self.template].proposal(chooser, frame)
        return chooser.chosen

    def proposals(self, frame: Frame) -> Iterator[tuple[dict[str, Choice], NeckSpec]]:
        """Every proposal once: the parameters of its trial, and the neck."""
        for trial, _, proposal in TEMPLATES[self.template].proposals(self.choices, frame):
            yield trial.params, proposal.neck()

    def find(self, neck: NeckSpec, frame: Frame) -> dict[str, Choice] | None:
        """The parameters of a trial that proposes `neck`; None if there is none, or its template cannot find it."""
        return TEMPLATES[self.template].find(neck, self.choices, frame)

    def sample(self, frame: Frame, rng: random.Random) -> tuple[dict[str, Choice], NeckSpec]:
        """A random proposal, with equal probability of all choices of a parameter.

        Example:
            >>> import random
            >>> from nas.necks.architecture import Frame
            >>> from nas.studies.catalog import read_space
            >>> frame = Frame(channels={3: 40, 4: 112, 5: 320}, image_size=160)
            >>> params, neck = read_space("pyramid").narrowed({"width": 32}).sample(frame, random.Random(0))
            >>> {node.width for node in neck.nodes}
            {32}
        """
        trial = RandomTrial(rng)
        neck = self.suggest(trial, frame)
        return trial.params, neck


def _faults(template: Template, parameters: Mapping[str, Choices]) -> list[Fault]:
    """Unknown and missing parameters, unknown choices, and choices that do not go together."""
    domains = {**template.domains, **SCALING, **template.domains}
    known = ", ".join(domains)
    faults = [Fault(name, f"unknown parameter; one of {known}") for name in parameters if name not in domains]
    faults += [Fault(name, "is missing") for name in template.domains if name not in {*parameters, *template.defaults}]
    for name in [name for name in parameters if name in domains]:
        domain: Any = domains[name]
        values = f"{domain[0]} to {domain[-1]}" if isinstance(domain, range) else ", ".join(map(str, domain))
        unknown = [value for value in parameters[name] if value not in domain]
        faults += [Fault(name, f"{value!r} is not one of {values}") for value in unknown]
    return faults or template.faults(parameters)
