"""SearchSpace: which necks may be proposed. A template asks for its parameters, a trial answers."""

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
from nas.search_space.choosing import Choice, Chooser, Draw, Trial, Values, all_values
from nas.search_space.merging import MERGING_CELLS
from nas.search_space.pyramid import PYRAMID
from nas.search_space.template import LOOKED_AT, SMALLEST_MAP, Template, fits
from nas.value import Faulty, Value

TEMPLATES = Table("templates", Template) | {"pyramid": PYRAMID, "merging_cells": MERGING_CELLS}
"""Name -> template. `nas.Space` makes one of a class."""


_LEVELS = {"finest", "levels"}
"""Parameters that our own templates have; those of others need not."""


class SearchSpace(Value):
    """Parameters of a template, each with its choices."""

    name: str
    """Name of the space. Without the key: the file's name without its ending."""
    version: int = Field(1, ge=1)
    """Version of the space, for its author's own use."""
    template: str = "pyramid"
    """What makes a neck of the parameters."""
    parameters: dict[str, Values]
    """Parameters of the template, each a value, a list of choices, or a range of whole numbers."""

    @field_validator("template")
    @classmethod
    def _known(cls, template: str) -> str:
        if template not in TEMPLATES:
            raise ValueError(f"unknown {template!r}; one of {', '.join(TEMPLATES)}")
        return template

    @field_validator("parameters", mode="before")
    @classmethod
    def _choices(cls, given: Any, info: ValidationInfo) -> Any:
        template = info.data.get("template")
        if not isinstance(given, Mapping) or template is None:
            return given
        values, faults = all_values(
            {name: TEMPLATES[template].unasked[name] for name in TEMPLATES[template].written} | {**given}
        )
        faults += [fault for fault in _faults(template, values) if fault.path not in {f.path for f in faults}]
        if faults:
            raise Faulty(faults)
        return values

    @cached_property
    def choices(self) -> dict[str, Values]:
        """The choices of every parameter that the template knows, those that were left out included."""
        return {name: (value,) for name, value in TEMPLATES[self.template].unasked.items()} | self.parameters

    def narrowed(self, space: Mapping[str, Any]) -> SearchSpace:
        """This space with some parameters narrowed or fixed, as a study's `space:` says.

        Raises:
            SpecError: an unknown parameter, an empty range, a value that the template does not know.
        """
        values, faults = all_values(space)
        parameters = self.parameters | values
        faults += _faults(self.template, parameters)
        if faults:
            raise SpecError("", [Fault(f"space.{fault.path}", fault.message) for fault in faults])
        return self.model_copy(update={"parameters": parameters})

    def narrowest(self) -> SearchSpace:
        """This space at its least width and fewest repeats."""
        choices = self.choices
        least: dict[str, Values] = {name: (min(choices[name]),) for name in ("width", "repeats") if name in choices}
        shared: dict[str, Values] = {"widths": ("shared",)} if "shared" in choices.get("widths", ()) else {}
        return self.model_copy(update={"parameters": self.parameters | least | shared})

    def cheapest(self) -> SearchSpace:
        """The part of this space in which its fewest parameters and MACs are found, as far as its template tells."""
        narrow, choices = self.narrowest(), self.choices
        least: dict[str, Values] = {}
        for name, order in TEMPLATES[self.template].cheapest.items():
            cheap = next((value for value in order if value in choices[name]), None)
            if cheap is not None:
                least[name] = (cheap,)
        return narrow.model_copy(update={"parameters": narrow.parameters | least})

    def coarsest_input(self, frame: Frame) -> int:
        """The level up to which every neck of the space needs the backbone."""
        if not self.choices.keys() >= _LEVELS:
            return min(max(neck.inputs) for _, neck in islice(self.walk(frame), LOOKED_AT))
        finest, counts = ([int(x) for x in self.choices[name]] for name in ("finest", "levels"))
        ranges = [range(f, f + n) for f in finest for n in counts if fits(frame, f, n)]
        return min(max(level for level in frame.levels if level in levels) for levels in ranges)

    def check(self, frame: Frame) -> None:
        """Check that some neck of the space fits the frame.

        Raises:
            SpecError: none does.
        """
        if not self.choices.keys() >= _LEVELS:
            self._check_first(frame)
        elif not any(fits(frame, f, n) for f in self.parameters["finest"] for n in self.parameters["levels"]):
            have = ", ".join(f"P{x}" for x in frame.levels)
            message = (
                f"finest {list(self.parameters['finest'])} and levels {list(self.parameters['levels'])}: nothing fits; "
                f"the backbone gives {have}, and the coarsest map of an image of {frame.image_size} pixels "
                f"must have {SMALLEST_MAP} cells a side"
            )
            raise SpecError("", [Fault("space.levels", message)])

    def _check_first(self, frame: Frame) -> None:
        """Check a template of the user's by its first proposal."""
        _, neck = next(self.walk(frame))
        try:
            neck.check(frame.channels)
        except SpecError as error:
            faults = [Fault("search_space", f"the first neck of {self.name} does not fit: {f}") for f in error.faults]
            raise SpecError("", faults) from None

    def suggest(self, trial: Trial, frame: Frame) -> NeckSpec:
        """The neck that `trial` proposes; only parameters that matter to it are asked for."""
        return TEMPLATES[self.template].plan(Chooser(self.choices, trial), frame).neck()

    def walk(self, frame: Frame) -> Iterator[tuple[dict[str, Choice], NeckSpec]]:
        """Every proposal of the space, once, with its parameters."""
        for params, plan in TEMPLATES[self.template].plans(self.choices, frame):
            yield params, plan.neck()

    def find(self, neck: NeckSpec, frame: Frame) -> dict[str, Choice] | None:
        """The parameters that propose this neck, if the space holds it and its template can tell."""
        return TEMPLATES[self.template].find(neck, self.choices, frame)

    def sample(self, frame: Frame, rng: random.Random) -> tuple[dict[str, Choice], NeckSpec]:
        """A proposal drawn evenly choice by choice, with its parameters."""
        trial = Draw(rng)
        return trial.params, self.suggest(trial, frame)


def _faults(template: str, parameters: Mapping[str, Values]) -> list[Fault]:
    table, unasked = TEMPLATES[template].known, TEMPLATES[template].unasked
    faults = [Fault(name, f"unknown parameter; one of {', '.join(table)}") for name in parameters if name not in table]
    faults += [Fault(name, "is missing") for name in table if name not in {*parameters, *unasked}]
    for name, values in parameters.items():
        known = table.get(name)
        for value in values if known is not None else ():
            assert known is not None
            if value not in known:
                what = f"{known[0]} to {known[-1]}" if isinstance(known, range) else ", ".join(map(str, known or ()))
                faults.append(Fault(name, f"{value!r} is not one of {what}"))
    return faults or TEMPLATES[template].faults(parameters)
