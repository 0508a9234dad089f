"""Sessions of browsers: a cookie that scripts cannot read, and a second secret that every change must repeat.

The cookie is sent with whatever a browser asks of this host. `SameSite=Strict` keeps other sites from using it, and a
change must carry the CSRF secret too, which only our own pages know.
"""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from nas.storage.tokens import SESSION_HOURS

COOKIE = "nas_session"
CSRF_HEADER = "X-CSRF-Token"


def session_of(headers: Headers) -> str | None:
    """The secret in a request's cookie."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None else None


def csrf_secret(session: str) -> str:
    """The secret that changes in this session must repeat, in a header."""
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()


def set_cookie(response: Response, session: str, secure: bool) -> None:
    """Begin a session in the browser."""
    age = SESSION_HOURS * 3600
    response.set_cookie(COOKIE, session, max_age=age, httponly=True, samesite="strict", secure=secure, path="/")


def delete_cookie(response: Response, secure: bool) -> None:
    """End the session in the browser."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=secure, path="/")


def is_forged(headers: Headers, session: str | None) -> bool:
    """Whether another site may have made a browser send this change. Programs send neither cookie nor origin."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return True
    given = headers.get(CSRF_HEADER, "")
    return session is not None and not hmac.compare_digest(given.encode(), csrf_secret(session).encode())
