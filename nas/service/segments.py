"""Segments: a slash within a study's name, which is `%2F` in an address.

Servers undo that before routes are matched. So it becomes a character that no text has, and `slashed` turns it back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

STAND_IN = "\ufdd0"
"""One of Unicode's noncharacters."""

_STUDIES = re.compile(rb"(/v1)?/studies/")


class Segments:
    """ASGI middleware that keeps escaped slashes below studies out of the way of the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and _STUDIES.match(raw):
            parts = re.split("%2[Ff]", raw.decode("latin-1"))
            if len(parts) > 1:
                scope = {**scope, "path": STAND_IN.join(map(unquote, parts))}
        await self.app(scope, receive, send)


def slashed(name: str) -> str:
    """The name of a study in the path of a request."""
    return name.replace(STAND_IN, "/")
