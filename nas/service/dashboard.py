"""Optuna's dashboard on a study database. It has no authentication, and so is read-only by default."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, cast

from nas.necks.drawing import svg
from nas.service.listening import GRACE, is_loopback, listen, say

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from nas.storage import Store

# No GET route of the dashboard writes (0.21).
SAFE = ("GET", "HEAD", "OPTIONS")

READ_ONLY = "This dashboard is read-only; `nas dashboard --write` lets visitors change and delete studies."

NO_FILES = "The pictures are drawn from the study: files can be neither attached nor removed."


class ReadOnly:
    """ASGI middleware that answers 405 to methods that may change something below `path`.

    The dashboard shows the `reason`.
    """

    def __init__(self, app: ASGIApp, reason: str, path: str = "/") -> None:
        self.app = app
        self.reason = reason
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import JSONResponse

        if scope["type"] == "http" and scope["method"] not in SAFE and scope["path"].startswith(self.path):
            refusal = JSONResponse({"reason": self.reason}, status_code=405, headers={"Allow": ", ".join(SAFE)})
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Drawings:
    """Optuna's artifact store for reading. An artifact is the drawing of an architecture, made on demand."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The SVG of the architecture with that digest, or ArtifactNotFound."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        architecture = self.store.architecture(artifact_id)
        if architecture is None:
            raise ArtifactNotFound(f"no architecture {artifact_id}")
        return BytesIO(svg(architecture.neck).encode())

    def remove(self, artifact_id: str) -> None:
        """Called when a study is deleted; there is nothing to remove."""


def app(store: Store, write: bool = False) -> ASGIApp:
    """The dashboard as an ASGI application. It uses absolute paths, and so must be mounted at `/`.

    Raises:
        StoreError: the database lacks Optuna's tables.
    """
    import optuna_dashboard
    from a2wsgi import WSGIMiddleware

    dashboard = cast("ASGIApp", WSGIMiddleware(optuna_dashboard.wsgi(store.optuna, artifact_store=Drawings(store))))
    return ReadOnly(dashboard, NO_FILES, "/api/artifacts") if write else ReadOnly(dashboard, READ_ONLY)


def serve(url: str, host: str = "127.0.0.1", port: int = 8080, write: bool = False) -> None:
    """Serve the dashboard until Ctrl-C, and print its address on stderr. Port 0 takes any free port.

    Raises:
        StoreError: there is no such database.
        UserError: the address cannot be listened on.
    """
    import uvicorn

    from nas.storage import check_writable, open_store

    if write:
        check_writable(url)
    with open_store(url, create=False) as store, listen(host, port) as listening:
        # Optuna warns at each visit if importances rest on few trials.
        warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
        config = uvicorn.Config(
            app(store, write),
            lifespan="off",
            ws="none",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACE,
        )
        if write and not is_loopback(host):
            say(f"warning: there is no authentication: whoever reaches {host} can change and delete studies")
        name, number = listening.getsockname()[:2]
        address = f"http://[{name}]:{number}/" if ":" in name else f"http://{name}:{number}/"
        say(f"dashboard: {address} ({'changes allowed' if write else 'read-only'}); Ctrl-C ends it")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return  # the usual end
