"""client: asks the runner on a device for milliseconds and outputs."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.device.runner import TOKEN
from nas.errors import UserError

PATIENCE = 900.0
"""Seconds to wait for an answer: the device measures one model at a time, and others may stand before."""


class NotThere(UserError):
    """The device does not hold a reference."""


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stays)
"""Asks the device itself: a proxy, or another server, would see the token and the models."""


class Client:
    """The runner of a device.

    Args:
        url: where it listens, such as `http://raspberrypi:8700`.
        runtime: what it runs models on, such as `onnxruntime`.
    """

    def __init__(self, url: str, runtime: str, patience: float = PATIENCE) -> None:
        self.url, self.runtime, self.patience = url.rstrip("/"), runtime, patience

    def facts(self) -> dict[str, Any]:
        """The device's machine, processor and runtimes.

        Raises:
            UserError: it cannot be reached, the token is wrong, or it does not know the runtime.
        """
        found: dict[str, Any] = json.loads(self._ask("GET", "/", b"", timeout=10))
        if self.runtime not in found["runtimes"]:
            raise UserError(f"{self.url} has no runtime {self.runtime}; one of {', '.join(found['runtimes'])}")
        return found

    def measure(
        self, model: bytes, reference: bytes | None, shapes: Sequence[Sequence[int]], runs: int, least: int
    ) -> dict[str, Any]:
        """Milliseconds of a model (median, its interval) and of the reference, with the device's facts.

        Raises:
            UserError: it cannot be reached, the token is wrong, its runtime is missing, or it refused the model.
        """
        shape = ";".join(",".join(map(str, shape)) for shape in shapes)
        asked = {"shape": shape, "runs": runs, "least": least}
        if reference is not None:
            asked["reference"] = hashlib.sha256(reference).hexdigest()
        path = f"/measure/{self.runtime}?{urllib.parse.urlencode(asked)}"
        try:
            answer = self._ask("POST", path, model)
        except NotThere:
            if reference is None:
                raise
            self._ask("POST", f"/references/{self.runtime}", reference)
            answer = self._ask("POST", path, model)
        found: dict[str, Any] = json.loads(answer)
        return found

    def run(self, model: bytes, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The outputs of a model for an image (1, C, S, S).

        Raises:
            UserError: as in `measure`.
        """
        file = io.BytesIO()
        np.save(file, image)
        found = self._ask("POST", f"/run/{self.runtime}", file.getvalue() + model)
        with np.load(io.BytesIO(found), allow_pickle=False) as outputs:
            return [outputs[name] for name in outputs.files]

    def _ask(self, method: str, path: str, body: bytes, timeout: float | None = None) -> bytes:
        token = os.environ.get(TOKEN)
        if not token:
            raise UserError(f"{self.url}: set {TOKEN} to the token of the device")
        request = urllib.request.Request(self.url + path, data=body or None, method=method)
        request.add_unredirected_header("Authorization", f"Bearer {token}")
        try:
            with _OPENER.open(request, timeout=timeout or self.patience) as answer:
                data: bytes = answer.read()
                return data
        except urllib.error.HTTPError as error:
            fault = NotThere if error.code == 404 else UserError
            raise fault(f"{self.url}: {_reason(error)}") from None
        except urllib.error.URLError as error:
            raise UserError(f"{self.url} cannot be reached ({error.reason}): is `nas device serve` running?") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UserError(f"{self.url} did not answer ({str(error) or type(error).__name__})") from None


def _reason(error: urllib.error.HTTPError) -> str:
    """What the runner answered; another server may have."""
    with error:
        if error.code == 401:
            return f"wrong token: {TOKEN} is not the one that the device was started with"
        try:
            return str(json.loads(error.read())["error"])
        except (ValueError, KeyError, TypeError):
            return f"answered {error.code} {error.reason}: is this `nas device serve`?"
