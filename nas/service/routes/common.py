"""What handlers share: a store for the request, who asks, and the two forms of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator
from starlette.responses import JSONResponse, PlainTextResponse, Response

from nas.facts import Facts
from nas.service.lock.gate import Caller
from nas.service.problems import Refusal
from nas.service.segments import slashed
from nas.service.settings import Settings
from nas.storage import Store
from nas.storage.jobs import Jobs


def _lent(request: Request) -> Iterator[Store]:
    with request.app.state.stores.lend() as store:
        yield store


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["caller"]
    return caller


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Lent = Annotated[Store, Depends(_lent, scope="function")]
"""A store for this request."""

Asking = Annotated[Caller, Depends(_caller)]
"""Who asks."""

Chosen = Annotated[Settings, Depends(_settings)]
"""The settings of the service."""

Name = Annotated[
    str,
    Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="Name of a study; a slash in it is %2F"),
    AfterValidator(slashed),
]
Number = Annotated[int, Path(ge=0, lt=2**31, description="Number of a trial")]
Changes = Annotated[
    list[str], Query(alias="set", max_length=100, description="A change such as task.epochs=4; may be repeated")
]


def facts(request: Request, settings: Settings, found: Facts) -> Response:
    """Facts as JSON, or as the text that the command line prints where the request prefers `text/plain`."""
    if prefers_text(request):
        return PlainTextResponse(settings.redact(found.text))
    return JSONResponse(redacted(found.data, settings))


def prefers_text(request: Request) -> bool:
    """Whether a request asks for text alone."""
    return request.headers.get("accept", "").startswith("text/plain")


def redacted(data: Any, settings: Settings) -> Any:
    """JSON data without this machine's paths."""
    if isinstance(data, str):
        return settings.redact(data)
    if isinstance(data, dict):
        return {key: redacted(value, settings) for key, value in data.items()}
    return [redacted(item, settings) for item in data] if isinstance(data, list | tuple) else data


def known(store: Store, name: str) -> None:
    """Check that the database has a study, or the queue a job for it.

    Raises:
        Refusal: 404.
    """
    if store.study(name) is None and not Jobs.of(store).of_study(name):
        raise Refusal(404, f"there is no study {name!r}")


def launched(store: Store, name: str) -> None:
    """Check that the database has a study, not only the queue.

    Raises:
        Refusal: 404.
    """
    if store.study(name) is None:
        known(store, name)
        raise Refusal(404, f"study {name!r} waits in the queue: nothing is known of it yet")
