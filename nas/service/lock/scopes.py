"""Scopes: what a request needs. The rule is by method, so that a new route is locked before anybody thinks of it."""

from __future__ import annotations

from nas.storage.tokens import Scope

SAFE = ("GET", "HEAD", "OPTIONS")

OPEN = frozenset({("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/login"), ("POST", "/v1/session")})
"""Requests that need no token: a probe learns only whether the service is well, and a login brings its token along."""

ASSETS = "/assets/"
"""What the pages are made of: the same for everybody, and the login page needs it."""

_EXCEPTIONS: dict[tuple[str, str], Scope] = {
    ("DELETE", "/v1/session"): "read",
    ("POST", "/launch/check"): "read",
    ("POST", "/launch/data"): "read",
}


def is_open(method: str, path: str) -> bool:
    """Whether a request needs no token."""
    asked = "GET" if method == "HEAD" else method
    return (asked, path) in OPEN or (asked == "GET" and path.startswith(ASSETS))


def needed_scope(method: str, path: str) -> Scope:
    """The scope that a request needs."""
    if path == "/v1/tokens" or path.startswith("/v1/tokens/"):
        return "admin"
    return _EXCEPTIONS.get((method, path), "read" if method in SAFE else "write")
