"""Figures and necks as a template takes them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from nas.necks.describe import summary
from nas.necks.drawing import svg
from nas.necks.spec import NeckSpec
from nas.report.assets import for_script
from nas.report.facts import StudyFacts
from nas.report.gallery import GALLERY


class Drawn(NamedTuple):
    """A figure.

    Attributes:
        json: the figure for a script element; None where there is nothing to draw, and `missing` says why.
        height: of the figure in pixels.
    """

    title: str
    caption: str
    json: str | None
    height: int
    missing: str


class Drawing(NamedTuple):
    """A neck: its SVG in base64, and the neck in words."""

    title: str
    svg: str
    about: str


def drawn(key: str, facts: StudyFacts) -> Drawn:
    """The figure of that name in the gallery."""
    exhibit = GALLERY[key]
    figure = exhibit.draw(facts)
    if figure is None:
        return Drawn(exhibit.title, exhibit.caption, None, 0, exhibit.missing(facts))
    height = int(figure.layout.height)
    return Drawn(exhibit.title, exhibit.caption, for_script(figure.to_json()), height, "")


def drawing(title: str, architecture: Mapping[str, Any]) -> Drawing:
    """The neck of an architecture in JSON."""
    neck = NeckSpec.parse(architecture["neck"])
    return Drawing(title, b64encode(svg(neck).encode()).decode(), summary(neck))
