"""nas device: the runner, served or written as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.device import runner
from tests.cli.conftest import Nas


def test_the_file_is_the_runner_and_is_not_written_over(nas: Nas) -> None:
    done = nas("device", "file")
    assert done.status == 0
    assert Path("runner.py").read_bytes() == Path(runner.__file__).read_bytes()
    assert "python runner.py --host 0.0.0.0" in done.out
    again = nas("device", "file")
    assert (again.status, again.err) == (2, "nas: runner.py exists: give another file with -o\n")
    assert nas("device", "file", "-o", "other.py").status == 0


def test_serve_writes_no_file(refused: Callable[..., str]) -> None:
    assert "nas device serve writes no file" in refused("device", "serve", "-o", "runner.py")


def test_serve_needs_a_secret(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DEVICE_TOKEN", "short")
    done = nas("device", "serve")
    assert done.status == 2
    assert done.err == "set NAS_DEVICE_TOKEN to a secret of 16 characters or more, the same as where the study runs\n"


def test_a_port_that_is_none_is_told(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DEVICE_TOKEN", "a secret of 16 characters")
    done = nas("device", "serve", "--port", "70000")
    assert done.status == 2
    assert done.err.startswith("cannot listen on 127.0.0.1:70000: ")
