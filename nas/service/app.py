"""app: the service as one ASGI application, composed from plain lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import Response

from nas import __version__
from nas.service import dashboard, docs, openapi, pages, problems
from nas.service.feeds import Feeds
from nas.service.lock.gate import NEEDS_TOKEN, Gate
from nas.service.lock.headers import HEADERS, OPTUNA_POLICY, SafeHeaders
from nas.service.lock.limits import BodyLimit
from nas.service.metrics import Measured, Metrics
from nas.service.pages.render import refused
from nas.service.queue.notices import Notifier
from nas.service.queue.scheduler import Scheduler
from nas.service.routes import ROUTERS
from nas.service.segments import Segments
from nas.service.settings import Settings
from nas.service.stores import Stores
from nas.storage import Store, open_store
from nas.text import Say

if TYPE_CHECKING:
    from starlette.types import ASGIApp

ABOUT = "Search for feature pyramids: post studies, watch them, compare what they find, and take it away."


def build(settings: Settings, *, loopback: bool, say: Say) -> FastAPI:
    """The application.

    Args:
        settings: what the operator chose.
        loopback: whether only this machine reaches it; then it needs no token while the database has none.
        say: called with a line about each job that begins or ends.

    Raises:
        StoreError: the database cannot be opened.
    """
    stores, metrics = Stores(settings), Metrics()
    with stores.lend() as store:  # makes or migrates the tables, Optuna's too
        _ = store.optuna
    optunas = open_store(settings.storage, create=False)
    scheduler, notifier = Scheduler(settings, stores, say), Notifier(settings, stores)
    feeds = Feeds(stores)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        scheduler.start()
        notifier.start()
        yield
        await feeds.stop()
        notifier.stop()
        scheduler.stop()
        stores.close()
        optunas.close()

    middleware = [  # from the outside in
        Middleware(SafeHeaders),
        Middleware(Segments),
        Middleware(Measured, metrics),
        Middleware(Gate, stores, loopback, settings.requests_per_minute, _login),
        Middleware(BodyLimit),
    ]
    app = described(lifespan=lifespan, middleware=middleware)
    app.state.settings, app.state.stores, app.state.metrics, app.state.feeds = settings, stores, metrics, feeds
    problems.install(app, settings, refused)
    for router in (docs.router, *pages.ROUTERS):
        app.include_router(router)
    app.mount("/", _optuna(optunas, settings.optuna_writes))  # it asks for absolute paths, and so comes last
    return app


def described(**options: Any) -> FastAPI:
    """An application with the routes that its OpenAPI document describes; what they need comes from `build`."""
    app = FastAPI(title="pyramid-nas", version=__version__, description=ABOUT, docs_url=None, redoc_url=None, **options)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


def _login(request: Request) -> Response:
    return refused(request, 401, NEEDS_TOKEN)


def _optuna(store: Store, writes: bool) -> ASGIApp:
    return SafeHeaders(dashboard.app(store, writes), HEADERS | {"Content-Security-Policy": OPTUNA_POLICY})
