"""The runner on a device, and its client: what is measured, what is refused, what is never shown."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.device import runner
from nas.device.client import Client
from nas.device.runner import TOKEN, Runner, build
from nas.errors import UserError

SECRET = "a-secret-of-some-length"
SHAPE = (1, 3, 8, 8)


def double(model: bytes) -> runner.Model:
    """A fake runtime: refuses what does not begin with `ok`, and doubles the image."""
    if not model.startswith(b"ok"):
        raise RuntimeError("bad\nmagic")
    return lambda image: [2 * image, image.sum(keepdims=True)]


def absent(model: bytes) -> runner.Model:
    import a_package_that_nobody_has

    return a_package_that_nobody_has.run(model)  # type: ignore[no-any-return]


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv(TOKEN, SECRET)
    monkeypatch.setitem(runner.RUNTIMES, "onnxruntime", double)
    monkeypatch.setitem(runner.RUNTIMES, "openvino", absent)
    with Runner(("127.0.0.1", 0), SECRET) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_model_is_timed_beside_a_reference_that_is_sent_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int]] = []
    ask = Client._ask

    def spy(self: Client, method: str, path: str, body: bytes, timeout: float | None = None) -> bytes:
        sent.append((path.partition("?")[0], len(body)))
        return ask(self, method, path, body, timeout)

    monkeypatch.setattr(Client, "_ask", spy)
    client = Client(url, "onnxruntime")
    for _ in range(2):
        found = client.measure(b"ok model", b"ok reference", [SHAPE], 12, 10)
        assert 0 < found["low"] <= found["milliseconds"] <= found["high"]
        assert 10 <= found["runs"] <= 12
        assert found["reference"] > 0
        assert found["processor"]
    assert [path.split("/")[1] for path, _ in sent] == ["measure", "references", "measure", "measure"]


def test_a_model_returns_its_outputs(url: str) -> None:
    image = np.random.default_rng(0).random(SHAPE, np.float32)
    first, second = Client(url, "onnxruntime").run(b"ok", image)
    np.testing.assert_array_equal(first, 2 * image)
    assert second.shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("runtime", "model", "said"),
    [
        ("onnxruntime", b"no", "onnxruntime refused the model: bad magic"),
        ("openvino", b"ok", "openvino needs the package a_package_that_nobody_has, which is not installed"),
        ("tpu", b"ok", "unknown runtime 'tpu'; one of onnxruntime, openvino, tensorrt, coreml, litert"),
    ],
)
def test_what_the_device_cannot_time_is_one_sentence(url: str, runtime: str, model: bytes, said: str) -> None:
    with pytest.raises(UserError) as caught:
        Client(url, runtime).measure(model, None, [SHAPE], 3, 3)
    assert str(caught.value) == f"{url}: {said}"


def test_a_wrong_token_is_refused_and_no_token_is_ever_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Client(url, "onnxruntime").facts()
    monkeypatch.setenv(TOKEN, "another-secret-of-mine")
    with pytest.raises(UserError, match="wrong token: NAS_DEVICE_TOKEN is not the one"):
        Client(url, "onnxruntime").facts()
    monkeypatch.delenv(TOKEN)
    with pytest.raises(UserError, match="set NAS_DEVICE_TOKEN to the token of the device"):
        Client(url, "onnxruntime").facts()
    printed = "".join(capsys.readouterr())
    assert "GET /: 401" in printed
    assert SECRET not in printed
    assert "another-secret" not in printed


def test_it_says_what_it_is_while_it_times_a_model(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def waits(model: bytes) -> runner.Model:
        begun.set()
        ended.wait(30)
        return double(model)

    monkeypatch.setitem(runner.RUNTIMES, "onnxruntime", waits)
    client = Client(url, "onnxruntime")
    timing = threading.Thread(target=client.measure, args=(b"ok", None, [SHAPE], 3, 3))
    timing.start()
    try:
        assert begun.wait(30)
        assert client.facts()["processor"]
        monkeypatch.setenv(TOKEN, "another-secret-of-mine")
        with pytest.raises(UserError, match="wrong token"):
            client.facts()
    finally:
        ended.set()
        timing.join()


def test_a_wrong_token_is_told_to_who_still_sends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "another-secret-of-mine")
    with pytest.raises(UserError, match="wrong token"):
        Client(url, "onnxruntime").measure(bytes((16 << 20) + 1), None, [SHAPE], 3, 3)


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_who_never_shows_a_token_is_cut_off(url: str, head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(head)
        assert connection.recv(1000) == b""
    assert Client(url, "onnxruntime").facts()["processor"]


def test_neither_a_proxy_nor_another_server_sees_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """One server, which notes what it is asked, stands for both."""
    seen: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    monkeypatch.setenv(TOKEN, SECRET)
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        try:
            with pytest.raises(UserError, match="cannot be reached"):
                Client("http://device.invalid:8700", "onnxruntime").facts()
            with pytest.raises(UserError, match="answered 302 Found"):
                Client(address, "onnxruntime").facts()
        finally:
            server.shutdown()
            thread.join()
    assert seen == ["/"]


def test_a_device_that_is_away_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, SECRET)
    with closing(Runner(("127.0.0.1", 0), SECRET).socket) as free:
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=r"cannot be reached \(.*refused\): is `nas device serve` running\?"):
        Client(f"http://127.0.0.1:{port}", "onnxruntime").facts()


def test_a_bad_request_does_not_end_the_runner(url: str) -> None:
    client = Client(url, "onnxruntime")
    for path, said in (
        ("/measure/onnxruntime?shape=a", "bad request: "),
        ("/measure/onnxruntime", "bad request: 'shape'"),
        ("/elsewhere", "there is nothing at /elsewhere"),
        ("/run/onnxruntime", "bad request: "),
    ):
        with pytest.raises(UserError) as caught:
            client._ask("POST", path, b"ok")
        assert said in str(caught.value)
    assert client.facts()["runtimes"] == list(runner.RUNTIMES)


@pytest.mark.parametrize(
    ("runtime", "provider"), [("tensorrt", "TensorrtExecutionProvider"), ("coreml", "CoreMLExecutionProvider")]
)
def test_a_provider_of_onnxruntime_is_never_replaced_by_the_cpu(
    runtime: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages cannot be had here: a fake onnxruntime stands for them."""
    asked: list[Any] = []

    class Session:
        def __init__(self, model: bytes, options: object, providers: list[str]) -> None:
            asked.append(providers)

        def get_providers(self) -> list[str]:
            return there

        def get_inputs(self) -> list[Any]:
            return [types.SimpleNamespace(name="image")]

        def run(self, names: None, inputs: dict[str, Any]) -> list[Any]:
            return [inputs["image"]]

    fake = types.ModuleType("onnxruntime")
    fake.__dict__.update(
        InferenceSession=Session, SessionOptions=types.SimpleNamespace, get_available_providers=lambda: available
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    available = there = [provider, "CPUExecutionProvider"]
    assert build(runtime, b"model")(1.0) == [1.0]
    assert asked == [available]
    there = ["CPUExecutionProvider"]
    with pytest.raises(runner.Missing, match=f"onnxruntime could not start {provider}"):
        build(runtime, b"model")
    available = ["CPUExecutionProvider"]
    with pytest.raises(runner.Missing, match=f"this onnxruntime has no {provider}, only CPUExecutionProvider"):
        build(runtime, b"model")


def test_litert_runs_a_tflite_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package cannot be had here: a fake interpreter stands for it."""

    class Interpreter:
        def __init__(self, model_content: bytes, num_threads: int) -> None:
            assert (model_content, num_threads) == (b"tflite", 1)
            self.tensors: dict[int, Any] = {}

        def allocate_tensors(self) -> None: ...

        def get_input_details(self) -> list[dict[str, int]]:
            return [{"index": 0}]

        def get_output_details(self) -> list[dict[str, int]]:
            return [{"index": 2}, {"index": 1}]

        def set_tensor(self, index: int, value: Any) -> None:
            self.tensors[index] = value

        def invoke(self) -> None:
            self.tensors |= {1: -self.tensors[0], 2: 2 * self.tensors[0]}

        def get_tensor(self, index: int) -> Any:
            return self.tensors[index]

    package, module = types.ModuleType("ai_edge_litert"), types.ModuleType("ai_edge_litert.interpreter")
    module.__dict__["Interpreter"] = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    assert build("litert", b"tflite")(3) == [6, -3]


def test_the_file_runs_alone_and_needs_a_token(tmp_path: Path) -> None:
    """A copy of it in an empty folder, in a Python that finds no `nas`."""
    copy = tmp_path / "runner.py"
    copy.write_bytes(Path(runner.__file__).read_bytes())
    plain = {name: value for name, value in os.environ.items() if name not in (TOKEN, "PYTHONPATH")}
    done = subprocess.run([sys.executable, "-I", copy], env=plain, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"set {TOKEN} to a secret of 16 characters or more")
    outside = "import sys; import runner; print(list(runner.RUNTIMES), {'nas', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", outside], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert found.stdout == "['onnxruntime', 'openvino', 'tensorrt', 'coreml', 'litert'] set()\n"


@pytest.mark.slow
def test_a_real_graph_on_a_real_runtime_has_the_outputs_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    import torch

    from nas.models.cost.graph import operator_graph

    layer = torch.nn.Conv2d(3, 4, 3).eval()
    image = torch.rand(*SHAPE)
    graph = operator_graph(layer, (image,))
    monkeypatch.setenv(TOKEN, SECRET)
    with Runner(("127.0.0.1", 0), SECRET) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}", "onnxruntime")
        (found,) = client.run(graph, image.numpy())
        timed = client.measure(graph, graph, [SHAPE], 10, 10)
        server.shutdown()
        thread.join()
    np.testing.assert_allclose(found, layer(image).detach().numpy(), rtol=1e-5, atol=1e-5)
    assert timed["milliseconds"] > 0
