"""Rendering: templates filled for a request. Every value is escaped, and has no path of this machine in it."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request
from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup
from starlette.responses import HTMLResponse

from nas import __version__
from nas.report.assets import environment
from nas.service.lock.gate import Caller
from nas.service.lock.sessions import csrf_secret
from nas.service.pages.assets import address
from nas.service.settings import Settings

NAVIGATION = {"/studies": "Studies", "/launch": "Launch", "/compare": "Compare"}


@lru_cache(maxsize=4)
def _templates(settings: Settings) -> Environment:
    made = environment("nas.service.pages")
    made.loader = ChoiceLoader([PackageLoader("nas.service.pages"), PackageLoader("nas.report")])
    made.finalize = lambda value: settings.redact(value) if type(value) is str else value
    made.globals |= {"asset": address, "version": __version__, "navigation": NAVIGATION, "study_path": study_path}
    return made


def study_path(name: str, *rest: object) -> str:
    """The address of a study's page, or of one below it."""
    return "/".join(["/studies", quote(name, safe=""), *map(str, rest)])


def render(settings: Settings, template: str, **context: Any) -> str:
    """A template, filled."""
    return _templates(settings).get_template(template).render(context)


def page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A whole page for whoever asks."""
    caller: Caller | None = request.scope.get("caller")
    about: dict[str, Any] = {
        "path": request.url.path,
        "csrf": csrf_secret(caller.session) if caller is not None and caller.session is not None else "",
        "session": caller is not None and caller.session is not None,
        "may_write": caller is not None and (caller.token is None or caller.token.allows("write")),
        "is_admin": caller is not None and caller.is_admin,
    }
    return HTMLResponse(render(request.app.state.settings, template, **about, **context), status)


def refused(request: Request, status: int, detail: str) -> HTMLResponse:
    """What a browser shows where a program gets a problem: the login page, or a sentence."""
    if status == 401:
        answer = page(request, "login.html", status)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    return page(request, "refused.html", status, title=HTTPStatus(status).phrase, detail=detail)


def redacted(markup: str, settings: Settings) -> Markup:
    """Markup of our own making, such as JSON for a script element, without this machine's paths."""
    return Markup(settings.redact(markup))
