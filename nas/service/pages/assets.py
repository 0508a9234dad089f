"""/assets: the style and the scripts of the pages, plotly.js and htmx from their packages. They need no token."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi import Path as InPath
from starlette.responses import Response

from nas.report.assets import plotly_js, text
from nas.service.problems import Refusal

router = APIRouter(include_in_schema=False)


def _own(name: str) -> str:
    return (files("nas.service.pages") / "static" / name).read_text("utf-8")


def _htmx() -> str:
    # Read as a file: importing the package is for Django.
    place = distribution("django-js-lib-htmx").locate_file("js_lib_htmx/static/htmx/htmx.min.js")
    return Path(str(place)).read_text("utf-8")


FILES: dict[str, tuple[str, Callable[[], str]]] = {
    "style.css": ("text/css", lambda: text("style.css") + _own("pages.css")),
    "figures.js": ("text/javascript", lambda: text("figures.js")),
    "pages.js": ("text/javascript", lambda: _own("pages.js")),
    "login.js": ("text/javascript", lambda: _own("login.js")),
    "launch.js": ("text/javascript", lambda: _own("launch.js")),
    "plotly.js": ("text/javascript", plotly_js),
    "htmx.js": ("text/javascript", _htmx),
}
"""Name -> its type, and what reads it."""


@cache
def content(name: str) -> tuple[bytes, bytes, str]:
    """A file, plain and compressed, and a mark of its content."""
    data = FILES[name][1]().encode()
    return data, gzip.compress(data, 6, mtime=0), hashlib.sha256(data).hexdigest()[:12]


def address(name: str) -> str:
    """Where a page finds a file: browsers keep it until its content changes."""
    return f"/assets/{name}?{content(name)[2]}"


@router.get("/assets/{name}")
def asset(
    name: Annotated[str, InPath(max_length=100)], accept_encoding: Annotated[str, Header(max_length=1000)] = ""
) -> Response:
    """A file of the pages."""
    if name not in FILES:
        raise Refusal(404, f"there is no {name!r}")
    plain, small, _ = content(name)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" not in accept_encoding:
        return Response(plain, media_type=FILES[name][0], headers=headers)
    return Response(small, media_type=FILES[name][0], headers=headers | {"Content-Encoding": "gzip"})
