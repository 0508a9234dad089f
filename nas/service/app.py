"""app: the service as one ASGI application, composed from plain lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import Response

from nas import __version__
from nas.service import dashboard, docs, pages, problems
from nas.service.feeds import Feeds
from nas.service.lock.gate import NEEDS_TOKEN, Gate
from nas.service.lock.headers import HEADERS, OPTUNA_POLICY, SafeHeaders
from nas.service.lock.limits import BodyLimit
from nas.service.metrics import Measured, Metrics
from nas.service.pages.render import refused
from nas.service.problems import Problem
from nas.service.queue.notices import Notifier
from nas.service.queue.scheduler import Scheduler
from nas.service.routes import ROUTERS
from nas.service.settings import Settings
from nas.service.stores import Stores
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

    app = FastAPI(
        title="pyramid-nas",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[  # from the outside in
            Middleware(SafeHeaders),
            Middleware(Measured, metrics),
            Middleware(Gate, stores, loopback, settings.requests_per_minute, _login),
            Middleware(BodyLimit),
        ],
    )
    app.state.settings, app.state.stores, app.state.metrics, app.state.feeds = settings, stores, metrics, feeds
    problems.install(app, settings, refused)
    for router in (*ROUTERS, docs.router, *pages.ROUTERS):
        app.include_router(router)
    app.mount("/", _optuna(settings))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _login(request: Request) -> Response:
    return refused(request, 401, NEEDS_TOKEN)


def _optuna(settings: Settings) -> ASGIApp:
    """Optuna's dashboard. It asks for absolute paths, and so comes last, at `/`."""
    from nas.storage import open_store

    store = open_store(settings.storage, create=False, artifacts=settings.artifacts)
    served = dashboard.app(store, settings.optuna_writes)
    return SafeHeaders(served, HEADERS | {"Content-Security-Policy": OPTUNA_POLICY})


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what the middleware may answer, and the scope that each route needs."""
    from fastapi.openapi.utils import get_openapi

    from nas.service.lock.scopes import is_open, needed_scope

    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = document["components"]
        parts["schemas"]["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"] |= parts["schemas"]["Problem"].pop("$defs", {})
        parts["schemas"].pop("HTTPValidationError", None)
        parts["schemas"].pop("ValidationError", None)
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, methods in document["paths"].items():
            for method, route in methods.items():
                own = route["responses"]
                if is_open(method.upper(), path):
                    own |= problems.described(429, 403) if method != "get" else {}
                else:
                    own |= problems.described(401, 403, 429, 503)
                    route["security"] = [{"token": []}]
                    route["x-scope"] = needed_scope(method.upper(), path)
                if "parameters" in route or "requestBody" in route:
                    own |= problems.described(422)
                if "requestBody" in route:
                    own |= problems.described(400, 408, 413)
        app.openapi_schema = document
    return app.openapi_schema
