"""Gate: the middleware before every route. What is not open needs a token that allows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import Request

from nas.errors import StoreError
from nas.service import problems
from nas.service.listening import is_loopback
from nas.service.lock.limits import Rates
from nas.service.lock.scopes import SAFE, is_open, needed_scope
from nas.service.lock.sessions import is_forged, session_of
from nas.service.stores import Stores
from nas.storage.tokens import Token, Tokens

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

FAILURES_PER_MINUTE = 300
"""How often one address may be wrong about a token."""

NEEDS_TOKEN = "needs a token: `Authorization: Bearer TOKEN`, or log in at /login; `nas token create` makes one"


class Caller(NamedTuple):
    """Who asks. Without any token in the database, whoever reaches the loopback interface is the administrator.

    Attributes:
        token: what was shown; None for that administrator.
        session: the secret of a browser's session, if the token was shown by one.
    """

    token: Token | None
    session: str | None = None

    @property
    def id(self) -> str | None:
        """The token's id."""
        return self.token.id if self.token is not None else None

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return self.token is None or self.token.scope == "admin"


class Gate:
    """ASGI middleware. Lets a request pass with its `Caller` in `scope["caller"]`, or answers 401, 403 or 429."""

    def __init__(
        self, app: ASGIApp, stores: Stores, loopback: bool, per_minute: int, login: Callable[[Request], Response]
    ) -> None:
        self.app = app
        self.login = login
        self.stores = stores
        self.loopback = loopback
        self.rates = Rates(per_minute)
        self.failures = Rates(FAILURES_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = await self._refusal(scope)
            await (self.app if refusal is None else refusal)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _refusal(self, scope: Scope) -> Response | None:
        """Why a request may not pass; otherwise its caller is noted in `scope`."""
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        address = (scope.get("client") or ("unknown", 0))[0]
        if is_open(method, path):
            if method in SAFE:
                return None
            return _too_often(self.failures.take(f"open {address}")) or _forged(headers, None)
        try:
            caller = await anyio.to_thread.run_sync(self._caller, headers)
        except StoreError:
            return problems.answer(503, "the study database does not answer", headers={"Retry-After": "10"})
        if caller is None:
            wait = self.failures.take(address)
            if not wait and method == "GET" and problems.wants_page(path, headers.get("accept", "")):
                return self.login(Request(scope))
            return _too_often(wait) or problems.answer(401, NEEDS_TOKEN, headers={"WWW-Authenticate": "Bearer"})
        if (refusal := _too_often(self.rates.take(caller.id or address))) is not None:
            return refusal
        if caller.token is None and not _is_loopback_host(headers.get("host", "")):
            return problems.answer(403, "without any token this service answers only to localhost")
        needed = needed_scope(method, path)
        if caller.token is not None and not caller.token.allows(needed):
            return problems.answer(403, f"needs a token with scope {needed}; this one has {caller.token.scope}")
        if method not in SAFE and (refusal := _forged(headers, caller.session)) is not None:
            return refusal
        scope["caller"] = caller
        return None

    def _caller(self, headers: Headers) -> Caller | None:
        kind, _, text = headers.get("authorization", "").partition(" ")
        session = session_of(headers)
        with self.stores.lend() as store:
            tokens = Tokens.of(store)
            if kind:
                token = tokens.find(text.strip()) if kind.lower() == "bearer" else None
                return Caller(token) if token is not None else None
            if session is not None and (token := tokens.session(session)) is not None:
                return Caller(token, session)
            return Caller(None) if self.loopback and not tokens.any() else None


def _too_often(wait: float) -> Response | None:
    if not wait:
        return None
    return problems.answer(429, f"too many requests: wait {wait:.1f} s", headers={"Retry-After": f"{wait:.0f}"})


def _forged(headers: Headers, session: str | None) -> Response | None:
    if not is_forged(headers, session):
        return None
    return problems.answer(403, "another site may have sent this: a change needs the header X-CSRF-Token")


def _is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine: another name may be one that an attacker's DNS points here."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    return is_loopback(name.strip("[]"))
