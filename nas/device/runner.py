"""runner: times models on this device, and answers over HTTP. One file: copy it to the device, and start it there.

    NAS_DEVICE_TOKEN=... python runner.py --host 0.0.0.0 --port 8700

It needs Python 3.10, numpy, and a runtime: onnxruntime, openvino or ai-edge-litert. A client sends a reference (POST
/references/RUNTIME), then models for milliseconds (POST /measure/RUNTIME) or outputs (POST /run/RUNTIME). It
measures one model at a time, and says what it is meanwhile.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import io
import json
import math
import os
import platform
import socket
import statistics
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN, PORT = "NAS_DEVICE_TOKEN", 8700
"""Variable with the secret that every request must bring, and where the runner listens."""

RUNS, NARROW = 30, 0.03
"""Most timed passes, and the width of the median's 95 % interval, as a share of it, that ends them earlier."""

WARM_UP, BESIDE = 3, 3
"""Passes before the timed ones, and passes of the model to each of the reference."""

KEPT, MOST_BYTES, HEAD_SECONDS = 4, 1 << 30, 30.0
"""References that are held at a time, size of the largest model that is taken, and time to show the token in."""

Pass = Callable[[], object]
"""Passes one image through a model, and returns when that is done."""


class Missing(Exception):
    """The package of a runtime is not installed."""


def timed(model: Pass, others: Sequence[Pass], runs: int = RUNS, least: int = RUNS) -> tuple[list[float], list[float]]:
    """Milliseconds of a model's passes, and of others' among them, after a warm-up.

    Args:
        model: what is timed.
        others: references, a pass of each to BESIDE of the model.
        runs: most timed passes.
        least: fewest; from then on it ends once the interval of the median is no wider than NARROW of it.
    """
    for run_pass in (model, *others) * WARM_UP:
        run_pass()
    own: list[float] = []
    beside: list[float] = []
    while len(own) < runs and not (len(own) >= least and is_narrow(own)):
        for other in others if len(own) % BESIDE == 0 else []:
            beside.append(milliseconds(other))
        own.append(milliseconds(model))
    return own, beside


def milliseconds(run_pass: Pass) -> float:
    start = time.perf_counter()
    run_pass()
    return 1e3 * (time.perf_counter() - start)


def is_narrow(times: list[float]) -> bool:
    low, high = median_interval(times)
    return high - low <= NARROW * statistics.median(times)


def median_interval(times: list[float]) -> tuple[float, float]:
    """The 95 % interval of a median, whatever the distribution: the binomial one, between two of the values."""
    rank = max(0, math.floor((len(times) - 1.96 * math.sqrt(len(times))) / 2))
    ordered = sorted(times)
    return ordered[rank], ordered[-1 - rank]


# Runtimes: the bytes of a model -> a function from an image (1, C, S, S) to the outputs, on one thread where it can


Model = Callable[..., "list[Any]"]
"""From its inputs, of which a whole model has one, to its outputs."""


def _onnxruntime(provider: str) -> Callable[[bytes], Model]:
    def build(model: bytes) -> Model:
        import onnxruntime

        there = onnxruntime.get_available_providers()
        if provider not in there:  # onnxruntime would take the CPU without a word
            raise Missing(f"this onnxruntime has no {provider}, only {', '.join(there)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        providers = [provider] if provider == "CPUExecutionProvider" else [provider, "CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(model, options, providers=providers)
        if session.get_providers()[0] != provider:
            raise Missing(f"onnxruntime could not start {provider}")
        names = [given.name for given in session.get_inputs()]
        return lambda *images: list(session.run(None, dict(zip(names, images, strict=True))))

    return build


def _openvino(model: bytes) -> Model:
    import openvino

    return openvino_model(openvino.Core().read_model(model))


def openvino_model(model: Any) -> Model:
    """A model of openvino on one thread of the CPU, without a narrower number format than the model's own."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    return lambda *images: list(compiled(list(images)).values())


def _litert(model: bytes) -> Model:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(*images: Any) -> list[Any]:
        for given, image in zip(inputs, images, strict=True):
            interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        return [interpreter.get_tensor(output["index"]) for output in outputs]

    return run


RUNTIMES: dict[str, Callable[[bytes], Model]] = {
    "onnxruntime": _onnxruntime("CPUExecutionProvider"),
    "openvino": _openvino,
    "tensorrt": _onnxruntime("TensorrtExecutionProvider"),
    "coreml": _onnxruntime("CoreMLExecutionProvider"),
    "litert": _litert,
}
"""Runtime -> function that builds a model from its bytes: ONNX, for litert a .tflite file."""


def build(runtime: str, model: bytes) -> Model:
    """A model on a runtime; Missing if that is unknown, or not installed. It raises what it likes of a bad model."""
    if runtime not in RUNTIMES:
        raise Missing(f"unknown runtime {runtime!r}; one of {', '.join(RUNTIMES)}")
    try:
        return RUNTIMES[runtime](model)
    except ImportError as error:
        raise Missing(f"{runtime} needs the package {error.name}, which is not installed") from error


# The service


class Refused(Exception):
    """A request that is answered with an error: its status, and a message."""


class Runner(ThreadingHTTPServer):
    """Answers those who bring `Authorization: Bearer TOKEN`, each in a thread, and takes one model at a time."""

    request_queue_size = 128  # workers that wait for their turn

    def __init__(self, address: tuple[str, int], token: str) -> None:
        super().__init__(address, Handler)
        self.token, self.alone = token.encode(), threading.Lock()
        self.references: OrderedDict[tuple[str, str], Model] = OrderedDict()

    def facts(self) -> dict[str, Any]:
        return {"machine": platform.node(), "processor": processor(), "runtimes": list(RUNTIMES)}

    def keep(self, runtime: str, body: bytes) -> dict[str, Any]:
        """Hold a reference, ready to run."""
        name = hashlib.sha256(body).hexdigest()
        self.references[runtime, name] = _built(runtime, body)
        while len(self.references) > KEPT:
            self.references.popitem(last=False)
        return {"reference": name}

    def measure(self, runtime: str, asked: dict[str, str], body: bytes) -> dict[str, Any]:
        """Time a model beside a reference, both on the same noise."""
        images = [_noise([int(n) for n in shape.split(",")]) for shape in asked["shape"].split(";")]
        model, others = _built(runtime, body), []
        if "reference" in asked:
            key = runtime, asked["reference"]
            if key not in self.references:
                raise Refused(404, "the reference is not here any more: send it first")
            self.references.move_to_end(key)
            others = [partial(self.references[key], *images)]
        runs, least = int(asked.get("runs", RUNS)), int(asked.get("least", RUNS))
        with _refusing(f"{runtime} could not run"):
            own, beside = timed(partial(model, *images), others, max(1, runs), least)
        low, high = median_interval(own)
        found = {"milliseconds": statistics.median(own), "low": low, "high": high, "runs": len(own)}
        return found | {"reference": statistics.median(beside or own)} | self.facts()

    def run(self, runtime: str, body: bytes) -> bytes:
        """The outputs of a model, as an .npz file. The body is the image, an .npy file, then the model."""
        import numpy as np

        parts, file = io.BytesIO(body), io.BytesIO()
        image, model = np.load(parts, allow_pickle=False), _built(runtime, parts.read())
        with _refusing(f"{runtime} could not run"):
            np.savez(file, *model(image))
        return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """One request. Nothing of its headers is logged."""

    server: Runner
    timeout, path = 60, ""  # seconds that a client may be silent, and what is logged of one who asked for nothing

    def setup(self) -> None:
        super().setup()
        self.deadline = threading.Timer(HEAD_SECONDS, self.expire)
        self.deadline.start()

    def expire(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        self.deadline.cancel()
        super().finish()

    def do_GET(self) -> None:
        self.answer(self.server.facts)

    def do_POST(self) -> None:
        self.answer(self.posted)

    def posted(self) -> dict[str, Any] | bytes:
        asked = urlsplit(self.path)
        kind, _, runtime = asked.path.strip("/").partition("/")
        with self.server.alone:  # the body is read here, so that its traffic disturbs no measurement
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if kind == "references":
                return self.server.keep(runtime, body)
            if kind == "measure":
                return self.server.measure(runtime, dict(parse_qsl(asked.query)), body)
            if kind == "run":
                return self.server.run(runtime, body)
        raise Refused(404, f"there is nothing at {asked.path}")

    def answer(self, ask: Callable[[], dict[str, Any] | bytes]) -> None:
        """Check the token, and send what `ask` returns."""
        status = 200
        found: dict[str, Any] | bytes
        try:
            sent = self.headers.get("Authorization", "").encode("utf-8", "replace")
            length = int(self.headers.get("Content-Length") or 0)
            if not hmac.compare_digest(sent, b"Bearer " + self.server.token):
                for start in range(0, min(length, MOST_BYTES), 1 << 16):  # who still sends would see no answer
                    self.rfile.read(min(1 << 16, length - start))
                raise Refused(401, "wrong token")
            self.deadline.cancel()
            if not 0 <= length <= MOST_BYTES:
                raise Refused(413, f"a model has at most {MOST_BYTES} bytes")
            found = ask()
        except Refused as error:
            status, found = error.args[0], {"error": error.args[1]}
        except (EOFError, KeyError, TypeError, ValueError) as error:
            status, found = 400, {"error": f"bad request: {_line(error)}"}
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        with suppress(OSError):  # the client is gone
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        print(f"{self.command} {urlsplit(self.path).path}: {args[1] if len(args) > 1 else '-'}", file=sys.stderr)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Answer whatever a runtime raises in one sentence."""
    try:
        yield
    except Missing as error:
        raise Refused(501, str(error)) from error
    except Exception as error:
        raise Refused(422, f"{what} the model: {_line(error)}") from error


def _built(runtime: str, model: bytes) -> Model:
    with _refusing(f"{runtime} refused"):
        return build(runtime, model)


def _noise(shape: Sequence[int]) -> Any:
    import numpy as np

    return np.random.default_rng(0).random(tuple(int(n) for n in shape), dtype=np.float32)


def _line(error: Exception) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def processor() -> str:
    """The name of this machine's processor."""
    with suppress(OSError, KeyError), open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in lines.items()}
        return names.get("model name") or names["Model"]
    return platform.processor() or platform.machine()


def serve(host: str, port: int) -> int:
    """Answer until it is interrupted; returns an exit status."""
    token = os.environ.get(TOKEN, "")
    if len(token) < 16:
        print(f"set {TOKEN} to a secret of 16 characters or more, the same as where the study runs", file=sys.stderr)
        return 2
    try:
        runner = Runner((host, port), token)
    except (OSError, OverflowError) as error:  # the latter: there is no such port
        print(f"cannot listen on {host}:{port}: {_line(error)}", file=sys.stderr)
        return 2
    with runner, suppress(KeyboardInterrupt):
        print(f"timing models at http://{host}:{runner.server_port} on {processor()}; Ctrl-C ends it", flush=True)
        runner.serve_forever()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times models on this device for `nas launch`.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=PORT)
    args = parser.parse_args()
    sys.exit(serve(args.host, args.port))
