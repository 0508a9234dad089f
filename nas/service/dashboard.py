"""Optuna's dashboard on a study database, read-only unless told otherwise: it knows no users and no passwords."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, cast

from nas.errors import UserError
from nas.necks.drawing import svg

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from nas.storage import Store

# None of the dashboard's GET routes writes, and it reads with GET alone (0.21; its POSTs for language models are off).
SAFE = ("GET", "HEAD", "OPTIONS")

REFUSAL = "This dashboard is read-only; `nas dashboard --write` lets visitors change and delete studies."

DRAWN = "The pictures here are drawn from the study; files cannot be attached to it, nor pictures taken away."

_GRACE = 2
"""Seconds that answers under way get when the server ends."""


class Refusing:
    """ASGI middleware: 405 to every method that may change something, below `path`, as JSON whose `reason` the
    dashboard shows.
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
    """Optuna's artifact store as far as it is read: the drawing of the architecture whose digest is asked for.

    Nothing is stored, for a drawing is a function of what the database holds.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The SVG.

        Raises:
            ArtifactNotFound: there is no such architecture.
        """
        from optuna.artifacts.exceptions import ArtifactNotFound

        architecture = self.store.architecture(artifact_id)
        if architecture is None:
            raise ArtifactNotFound(f"no architecture {artifact_id}")
        return BytesIO(svg(architecture.neck).encode())

    def remove(self, artifact_id: str) -> None:
        """Nothing, when a whole study is deleted: the architecture stays in the database."""


def app(store: Store, write: bool = False) -> ASGIApp:
    """The dashboard as an ASGI application; it asks for absolute paths, and so must be mounted at `/`.

    Raises:
        StoreError: the database lacks Optuna's tables.
    """
    import optuna_dashboard
    from a2wsgi import WSGIMiddleware

    dashboard = cast("ASGIApp", WSGIMiddleware(optuna_dashboard.wsgi(store.optuna, artifact_store=Drawings(store))))
    return Refusing(dashboard, DRAWN, "/api/artifacts") if write else Refusing(dashboard, REFUSAL)


def serve(url: str, host: str = "127.0.0.1", port: int = 8080, write: bool = False) -> None:
    """Serve the dashboard until Ctrl-C; the address is told on stderr. Port 0 takes any that is free.

    Raises:
        StoreError: there is no such database; none is made.
        UserError: the address cannot be listened on.
    """
    import uvicorn

    from nas.storage import check_writable, open_store

    if write:
        check_writable(url)
    with open_store(url, create=False) as store:
        application = app(store, write)
        with _listen(host, port) as listening:
            if write and not _is_loopback(host):
                _say(f"warning: whoever reaches {host} can change and delete studies: there is no authentication")
            mode = "changes allowed" if write else "read-only"
            _say(f"dashboard: {_address(listening)} ({mode}); Ctrl-C ends it")
            config = uvicorn.Config(
                application,
                lifespan="off",
                ws="none",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=_GRACE,
            )
            # Optuna warns the server of every importance that rests on few trials, at each visit.
            warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
            try:
                uvicorn.Server(config).run(sockets=[listening])
            except KeyboardInterrupt:
                return  # the usual way to end it


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise UserError(f"cannot listen on port {port}: ports are 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise UserError(f"cannot listen on {host}, port {port}: {reason}; choose others by --host and --port") from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
