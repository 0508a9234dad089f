"""Metrics of the service, in Prometheus' format."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nas.storage.jobs import LIVE, Job

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """Counters of one application."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self.requests = Counter("nas_requests", "Requests answered.", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram("nas_request_seconds", "Time until an answer began.", labels, registry=self.registry)
        self.jobs = Gauge("nas_jobs", "Jobs of the queue, of all services.", ("state", "kind"), registry=self.registry)

    def text(self, live: Sequence[Job]) -> bytes:
        """All metrics now; `live` are the jobs that wait or run."""
        for state in LIVE:
            for kind in ("search", "confirm", "proxy"):
                count = sum(job.state == state and job.kind == kind for job in live)
                self.jobs.labels(state, kind).set(count)
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts requests by route; an unknown path has none, so that no caller invents labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                self.metrics.requests.labels(scope["method"], route, message["status"]).inc()
                self.metrics.seconds.labels(scope["method"], route).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, count)
