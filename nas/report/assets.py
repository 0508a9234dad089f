"""What pages are made of: templates, the style, the script of the figures, and plotly.js from its package."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


@cache
def templates() -> Environment:
    """The templates of the report. Every value is escaped."""
    return environment("nas.report")


def environment(package: str) -> Environment:
    """Templates of a package."""
    made = Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["prose"] = prose
    return made


def prose(line: str) -> Markup:
    """A sentence in which `this` is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(line))))


@cache
def text(name: str) -> str:
    """A file of `static`."""
    return (files("nas.report") / "static" / name).read_text("utf-8")


@cache
def plotly_js() -> str:
    """plotly.js, which draws the figures."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def for_script(json: str) -> str:
    """JSON that can stand in a script element."""
    return json.replace("<", "\\u003c")
