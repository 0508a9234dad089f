"""serve: the service on an address, until Ctrl-C."""

from __future__ import annotations

import warnings

from nas.errors import UserError
from nas.service.listening import GRACE, is_loopback, listen, say
from nas.service.settings import Settings
from nas.storage import open_store
from nas.storage.tokens import Tokens


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until Ctrl-C, and print the address on stderr. Port 0 takes any free port.

    Raises:
        StoreError: the database cannot be opened.
        UserError: the address cannot be listened on, or would be open to others without a token.
    """
    import uvicorn

    from nas.service.app import build
    from nas.service.prompt import PromptProtocol

    loopback = is_loopback(host)
    with open_store(settings.storage, create=True, artifacts=settings.artifacts) as store:
        locked = Tokens.of(store).any()
    if not locked and not loopback:
        raise UserError(
            f"without a token, {host} would be open to whoever reaches it: make one with "
            "`nas token create --scope admin`, or leave --host out"
        )
    if settings.notify and not settings.notify_key:
        raise UserError("--notify needs a key that signs the messages: set NAS_NOTIFY_KEY")
    # Optuna warns at each visit if importances rest on few trials.
    warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
    with listen(host, port) as listening:
        app = build(settings, loopback=loopback, say=say)
        config = uvicorn.Config(
            app,
            lifespan="on",
            http=PromptProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        name, number = listening.getsockname()[:2]
        address = f"http://[{name}]:{number}/" if ":" in name else f"http://{name}:{number}/"
        lock = "every request needs a token" if locked else "no token yet: whoever uses this machine is administrator"
        say(f"service: {address} ({lock}); Ctrl-C ends it")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return  # the usual end
