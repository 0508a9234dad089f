"""Problems: what a user reads when something is wrong, as application/problem+json (RFC 9457)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from nas.errors import Fault, NASError, SpecError, StoreFailed, UserError
from nas.service.settings import Settings
from nas.storage.jobs import JobExists
from nas.value import Value

MEDIA = "application/problem+json"

_LINE = re.compile(r"(?:\(line (\d+)\)\Z)|(?:\Aline (\d+)\Z)")


class FaultOut(Value):
    """One thing that is wrong with what was sent.

    Attributes:
        path: its place, such as `task.data.root`.
        message: what is wrong, and the way out.
        line: its line in the study file, if it has one there.
    """

    path: str
    message: str
    line: int | None = None


class Problem(Value):
    """Why a request failed.

    Attributes:
        type: always `about:blank`: the title is that of the status.
        title: the status in words.
        status: the HTTP status.
        detail: the whole message.
        faults: everything that is wrong with what was sent.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    faults: tuple[FaultOut, ...] = ()


class Refusal(UserError):
    """A request that is refused with a status of its own."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers
        super().__init__(detail)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer, for its OpenAPI description."""
    about = {"content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {status: {"description": HTTPStatus(status).phrase} | about for status in statuses}


def content(*medias: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The other forms of a route's answer, likewise."""
    # What YAML means is not a string to those who read it.
    schemas = {media: {} if media == "application/yaml" else {"type": "string"} for media in medias}
    return {status: {"content": {media: {"schema": schema} for media, schema in schemas.items()}}}


def described(*statuses: int) -> dict[str, dict[str, Any]]:
    """The same for a finished document, whose keys are texts."""
    return {str(status): about for status, about in responses(*statuses).items()}


def fault_out(fault: Fault, settings: Settings) -> FaultOut:
    """A fault as users see it."""
    found = _LINE.search(fault.message) or _LINE.search(fault.path)
    line = next((int(group) for group in found.groups() if group), None) if found else None
    return FaultOut(path=fault.path, message=settings.redact(fault.message), line=line)


def answer(
    status: int, detail: str, faults: Iterable[FaultOut] = (), headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem as a response."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, faults=tuple(faults))
    return JSONResponse(problem.model_dump(mode="json"), status, headers, media_type=MEDIA)


Page = Callable[[Request, int, str], Response]
"""Makes what a person reads of a problem: from the request, the status and the detail."""


def wants_page(path: str, accept: str) -> bool:
    """Whether a person looks at a page: not a program, and not a part of a page."""
    return "text/html" in accept and not path.startswith("/v1/")


def _answered(error: Exception, text: str, settings: Settings) -> JSONResponse:
    match error:
        case Refusal():
            return answer(error.status, text, headers=error.headers)
        case SpecError():
            return answer(422, text, [fault_out(fault, settings) for fault in error.faults])
        case JobExists():
            return answer(409, text)
        case StoreFailed():
            return answer(503, text, headers={"Retry-After": "10"})
        case UserError():
            return answer(422, text)
    return answer(500, text)


def install(app: FastAPI, settings: Settings, page: Page) -> None:
    """Let an application answer every error as a problem, or as a `page` where a person looks."""

    def shown(request: Request, problem: Response, detail: str) -> Response:
        if not wants_page(request.url.path, request.headers.get("accept", "")):
            return problem
        return page(request, problem.status_code, detail)

    def ours(request: Request, error: Exception) -> Response:
        text = settings.redact(str(error))
        return shown(request, _answered(error, text, settings), text)

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem = answer(error.status_code, str(error.detail), headers=dict(error.headers or {}))
        return shown(request, problem, str(error.detail))

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        faults = [FaultOut(path=".".join(map(str, e["loc"][1:])), message=e["msg"]) for e in error.errors()]
        return answer(422, "; ".join(f"{f.path}: {f.message}" for f in faults), faults)

    def unexpected(request: Request, error: Exception) -> JSONResponse:
        return answer(500, "a bug of this program: the service's log has the error")

    app.add_exception_handler(NASError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
