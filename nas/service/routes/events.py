"""/v1/studies/{name}/events: a study as it changes, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from nas.service.feeds import Feeds
from nas.service.problems import content, responses
from nas.service.routes.common import Name, known
from nas.service.settings import Settings
from nas.service.stores import Stores
from nas.studies.live import Live

ROUTERS = [router := APIRouter(prefix="/v1/studies/{name}", tags=["results"])]

PING_SECONDS = 15


@router.get("/events", response_class=EventSourceResponse, responses=content("text/event-stream") | responses(404))
async def watch_study(
    request: Request,
    name: Name,
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="Id of the last event that is known")
    ] = None,
) -> Response:
    """A study as it changes. Each event `study` is the whole state, so that a client that was away missed nothing."""
    stores: Stores = request.app.state.stores
    feeds: Feeds = request.app.state.feeds
    settings: Settings = request.app.state.settings

    def check() -> None:
        with stores.lend() as store:
            known(store, name)

    await run_in_threadpool(check)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for found in feeds.watch(name, last_event_id):
            yield event(found, settings)
        yield ServerSentEvent(data="{}", event="end")

    return EventSourceResponse(events(), ping=PING_SECONDS, send_timeout=30)


def event(found: Live, settings: Settings) -> ServerSentEvent:
    """An event of a study."""
    return ServerSentEvent(data=settings.redact(found.model_dump_json()), event="study", id=found.digest)
