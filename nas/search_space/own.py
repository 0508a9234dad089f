"""Space: a search space as a class, whose method makes the neck."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from nas.errors import UserError
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.search_space.choosing import Choices, Chooser
from nas.search_space.template import Template
from nas.search_space.trials import Choice


@dataclass(frozen=True)
class _Made:
    """A neck that a class made."""

    made: NeckSpec

    def neck(self) -> NeckSpec:
        return self.made

    def encodings(self, parameters: Mapping[str, Choices]) -> int:
        return 1


class Space(ABC):
    """A search space of your own. Its `parameters` are what a study may narrow, `neck` makes a proposal.

    Attributes:
        parameters: name -> the choices, texts or whole numbers.

    Example:
        >>> import nas
        >>> from nas.necks.topologies import fpn
        >>> class Plain(nas.Space):
        ...     parameters = {"width": (16, 32, 64)}
        ...     def neck(self, choose, frame):
        ...         return fpn(frame.levels, width=choose("width"))
    """

    parameters: ClassVar[Mapping[str, Sequence[Choice]]]

    @abstractmethod
    def neck(self, choose: Chooser, frame: Frame) -> NeckSpec:
        """The neck of one proposal.

        Args:
            choose: `choose(name)` gives a parameter's value; only those that are asked for vary.
            frame: the backbone's levels and channels, and the image size.
        """

    @classmethod
    @cache
    def template(cls) -> Template:
        """The class as an entry of the table `templates`."""
        if not cls.parameters:
            raise UserError(f"search space {cls.__name__}: give it parameters, such as {{'width': (16, 32)}}")
        domains = {name: tuple(values) for name, values in cls.parameters.items()}
        about = dict.fromkeys(domains, f"A parameter of {cls.__name__}.")
        return Template(domains=domains, about=about, defaults={}, propose=cls._propose)

    @classmethod
    def _propose(cls, choose: Chooser, frame: Frame) -> _Made:
        try:
            return _Made(cls().neck(choose, frame))
        except Exception as error:  # whatever the method raises
            chosen = ", ".join(f"{name} {value}" for name, value in choose.chosen.items()) or "nothing chosen yet"
            what = f"{type(error).__name__}: {error}"
            raise UserError(f"search space {cls.__name__} failed with {chosen} ({what})") from error

    @classmethod
    def to_dict(cls, name: str) -> dict[str, Any]:
        """The space as a mapping, with the template's `name` in the table."""
        return {
            "name": cls.__name__,
            "template": name,
            "parameters": {name: list(values) for name, values in cls.parameters.items()},
        }
