"""The service in a process of its own, and studies for it that take no time."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from nas.service.app import build
from nas.service.prompt import PromptProtocol
from nas.service.settings import Settings
from tests.searches import SPACE

QUICK = Path(__file__).with_name("quick.py")


def quick_study(name: str, trials: int = 4, pause: float = 0.0, **changes: Any) -> str:
    """The text of a study whose trials do nothing, or take `pause` seconds an epoch."""
    study: dict[str, Any] = {
        "name": name,
        "task": {
            "kind": "quick",
            "data": {"kind": "none"},
            "backbone": {"name": "tf_efficientnet_lite0", "levels": [2, 3, 4]},
            "image_size": 64,
            "epochs": 2,
            "options": {"pause": pause},
        },
        "space": SPACE,
        "baselines": ["fpn"],
        "budget": {"trials": trials},
        "executor": "quick",
        "sampler": "random",
    }
    return json.dumps(study | changes)


class Served:
    """`nas serve` once it listens. Its jobs know the quick studies."""

    def __init__(self, url: str, *words: str | Path, token: str | None = None, **env: str) -> None:
        command = [sys.executable, "-m", "nas", "serve", "--storage", url, "--port", "0", "--plugin", str(QUICK)]
        self.process = subprocess.Popen(
            [*command, *map(str, words)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | env,
        )
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if found := re.search(r"http://\S+", line):
                break
        else:
            raise AssertionError("\n".join(self.said))
        # Whoever does not read lets the service wait.
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr or ()), daemon=True)
        self._reader.start()
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self.address = found.group()
        self.http = httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False)

    def post(self, text: str, **query: Any) -> Any:
        """Post a study; returns its job."""
        answer = self.http.post("/v1/studies", content=text, params=query, headers={"Content-Type": "application/yaml"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def job(self, number: int) -> Any:
        return self.http.get(f"/v1/jobs/{number}").json()

    def study(self, name: str) -> Any:
        return self.http.get(f"/v1/studies/{name}").json()

    def log(self, number: int) -> str:
        return self.http.get(f"/v1/jobs/{number}/log", headers={"Accept": "text/plain"}).text

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._close()

    def stop(self) -> int:
        """End it as Ctrl-C does; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._close()
        return self.process.returncode

    def _close(self) -> None:
        self.process.wait()
        self._reader.join()
        self.http.close()
        assert self.process.stderr is not None
        self.process.stderr.close()


def wait_for(condition: Callable[[], Any], seconds: float = 240.0, every: float = 0.2) -> Any:
    """The first true value of `condition`."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(every)
    return found


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """The service in a thread of this process; gives its address."""
    app = build(settings, loopback=True, say=lambda line: None)
    server = uvicorn.Server(
        uvicorn.Config(app, http=PromptProtocol, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            wait_for(lambda: server.started, every=0.02)
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
