from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Nas
from tests.cli.test_ls import UNUSABLE


def test_it_is_on_loopback_and_read_only_by_default(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []
    monkeypatch.setattr("nas.service.dashboard.serve", lambda *words: served.append(words))
    assert nas("dashboard").status == 0
    nas("dashboard", "--storage", "sqlite:///x.db", "--host", "0.0.0.0", "--port", "80", "--write")
    assert served == [("sqlite:///nas.db", "127.0.0.1", 8080, False), ("sqlite:///x.db", "0.0.0.0", 80, True)]


def test_a_port_that_is_taken(refused: Callable[..., str], storage: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        reported = refused("dashboard", "--storage", storage, "--port", str(port))
    assert reported.startswith(f"cannot listen on 127.0.0.1, port {port}")


@UNUSABLE
def test_a_database_that_cannot_be_read(
    made: Callable[[Path], str], message: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert message in refused("dashboard", "--storage", made(tmp_path), "--port", "0")
