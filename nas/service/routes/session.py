"""/v1/session: log in with a token from a browser, and out again."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import Field

from nas.service.lock import sessions
from nas.service.problems import Refusal, responses
from nas.service.routes.common import Asking, Lent
from nas.storage.tokens import Scope, Tokens
from nas.value import Value

ROUTERS = [router := APIRouter(prefix="/v1/session", tags=["session"])]


class Login(Value):
    """The token to log in with."""

    token: str = Field(max_length=200)


class Session(Value):
    """Who is logged in. Changes must carry `csrf` in the header X-CSRF-Token; without a session it is null."""

    scope: Scope
    csrf: str | None


@router.post("", response_model=Session, responses=responses(401, 422))
def log_in(login: Login, request: Request, response: Response, store: Lent) -> Session:
    """Begin a session; the answer sets its cookie."""
    tokens = Tokens.of(store)
    token = tokens.find(login.token.strip())
    if token is None:
        raise Refusal(401, "there is no such token, or it was revoked", {"WWW-Authenticate": "Bearer"})
    secret = tokens.open_session(token)
    sessions.set_cookie(response, secret, request.url.scheme == "https")
    return Session(scope=token.scope, csrf=sessions.csrf_secret(secret))


@router.get("", response_model=Session)
def show_session(asking: Asking) -> Session:
    """Who asks."""
    csrf = sessions.csrf_secret(asking.session) if asking.session is not None else None
    return Session(scope=asking.token.scope if asking.token is not None else "admin", csrf=csrf)


@router.delete("", status_code=204)
def log_out(request: Request, asking: Asking, store: Lent) -> Response:
    """End the session."""
    response = Response(status_code=204)
    if asking.session is not None:
        Tokens.of(store).close_session(asking.session)
        sessions.delete_cookie(response, request.url.scheme == "https")
    return response
