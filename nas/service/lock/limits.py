"""Limits: how long a body may be and take, and how often somebody may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio

from nas.service import problems
from nas.service.settings import BODY_BYTES, BODY_SECONDS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_CALLERS = 10_000
"""How many callers are remembered; the longest silent ones are forgotten first."""


class BodyLimit:
    """ASGI middleware that reads a whole body before anything else sees the request.

    A body that is too long is answered with 413, one that does not arrive in time with 408.
    """

    def __init__(self, app: ASGIApp, most: int = BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.most = most
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        length = headers.get(b"content-length", b"0")
        if scope["type"] != "http" or (length == b"0" and b"transfer-encoding" not in headers):
            await self.app(scope, receive, send)
            return
        too_long = problems.answer(413, f"a body may have at most {self.most} bytes", headers={"Connection": "close"})
        if not length.isdigit() or int(length) > self.most:
            await too_long(scope, receive, send)
            return
        body = b""
        with anyio.move_on_after(self.seconds) as waiting:
            more = True
            while more and len(body) <= self.most:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message.get("body", b""), message.get("more_body", False)
        if waiting.cancelled_caught:
            late = problems.answer(408, f"the body took more than {self.seconds:g} s", headers={"Connection": "close"})
            await late(scope, receive, send)
        elif len(body) > self.most:
            await too_long(scope, receive, send)
        else:
            await self.app(scope, _replayed(body, receive), send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class Rates:
    """A bucket of requests for each caller, which fills again over time."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count a request. Returns the seconds that the caller has to wait, 0 if it may go on."""
        now, rate = time.monotonic(), self.per_minute / 60
        left, last = self._buckets.pop(caller, (float(self.per_minute), now))
        left = min(left + (now - last) * rate, self.per_minute)
        wait = 0.0 if left >= 1 else (1 - left) / rate
        self._buckets[caller] = (left if wait else left - 1, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return wait
