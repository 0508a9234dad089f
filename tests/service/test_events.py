"""Studies as they change: many watchers, clients that leave, and clients that are slow."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from nas.client import Client
from nas.client.answers import events
from nas.service import prompt
from nas.service.lock import limits
from nas.service.settings import Settings
from nas.storage import open_store
from nas.storage.lease import Lease
from nas.studies.live import Live
from tests.service.served import listening, wait_for
from tests.storage.test_progress import PROGRESS


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with listening(settings) as address:
        yield address


@pytest.fixture
def running(url: str) -> Iterator[Lease]:
    """The launch of the study `cells`."""
    with open_store(url, create=True) as store, store.lease("cells") as lease:
        yield lease


def first(address: str, last: str | None = None, seconds: float = 20.0) -> Live:
    """The first event of a stream."""
    headers = {"Last-Event-ID": last} if last is not None else {}
    with httpx.stream("GET", f"{address}/v1/studies/cells/events", headers=headers, timeout=seconds) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        found = next(events(response.iter_lines()))
        assert found is not None
        return found


def test_each_event_is_the_whole_state(address: str, running: Lease) -> None:
    running.beat(PROGRESS)
    with Client(address) as client:
        watched = client.watch("cells")
        before = next(watched)
        assert (before.state, before.progress) == ("running", PROGRESS)
        running.close("done")
        assert next(watched).state == "done"
        assert client.delete("cells") is None
        assert list(watched) == []


def test_who_comes_back_gets_what_is_different(address: str, running: Lease) -> None:
    running.beat(PROGRESS)
    known = first(address)
    with pytest.raises(httpx.ReadTimeout):
        first(address, last=known.digest, seconds=2.5)
    running.close("interrupted")
    assert first(address, last=known.digest).state == "interrupted"
    assert first(address, last="another service's").state == "interrupted"


def test_fifty_streams_at_once_and_clients_that_leave(address: str, running: Lease) -> None:
    running.beat(PROGRESS)

    async def watch(client: httpx.AsyncClient) -> list[str]:
        states: list[str] = []
        async with client.stream("GET", "/v1/studies/cells/events") as response:
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    states.append(Live.model_validate_json(line.removeprefix("data: ")).state)
                if states and states[-1] == "done":
                    return states
        return states

    async def all_of_them() -> list[list[str]]:
        limits_ = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits_, trust_env=False) as client:
            watching = [asyncio.create_task(watch(client)) for _ in range(50)]
            await asyncio.sleep(2)
            for task in watching[:10]:
                task.cancel()
            began = time.monotonic()
            answer = await client.get("/v1/studies/cells")
            assert answer.status_code == 200
            assert time.monotonic() - began < 5
            await asyncio.to_thread(running.close, "done")
            return await asyncio.gather(*watching[10:])

    found = asyncio.run(all_of_them())
    assert len(found) == 40
    assert all((states[0], states[-1]) == ("running", "done") for states in found)


def connection(address: str) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def test_a_body_that_does_not_come_is_not_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.BodyLimit.__init__, "__defaults__", (1000, 0.5))
    with listening(settings) as address, connection(address) as slow:
        slow.sendall(b"POST /v1/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ntask:")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_client_that_leaves_within_a_request_hurts_nobody(address: str) -> None:
    for _ in range(20):
        with connection(address) as left:
            left.sendall(b"POST /v1/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ntask:")
    assert wait_for(lambda: httpx.get(f"{address}/v1/studies").status_code == 200)


def test_a_head_that_does_not_come_is_not_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "HEADER_SECONDS", 0.5)
    with listening(settings) as address:
        with connection(address) as silent:
            assert silent.recv(1000) == b""
        with connection(address) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert slow.recv(10_000).startswith(b"HTTP/1.1 200 ")
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
            while slow.recv(10_000):
                pass


def test_a_request_that_takes_long_is_not_cut_off(
    address: str, running: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "HEADER_SECONDS", 0.2)
    running.beat(PROGRESS)
    with connection(address) as stream:
        stream.sendall(b"GET /v1/studies/cells/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(10_000).startswith(b"HTTP/1.1 200 ")
        stream.settimeout(1)
        with pytest.raises(TimeoutError):  # nothing happens, and the stream stays open
            list(iter(lambda: stream.recv(10_000), b""))
