from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nas import process
from nas.process import Process, process_start, this_process


@contextmanager
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as popen:
        yield popen
        popen.kill()


@pytest.fixture(params=["proc", "psutil"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both ways to ask; a system without /proc is one where it is empty."""
    if request.param == "psutil":
        monkeypatch.setattr(process, "PROC", tmp_path)


@pytest.mark.usefixtures("way")
class TestEitherWay:
    def test_this_process_runs(self) -> None:
        me = this_process()
        assert me.pid == os.getpid()
        assert me.is_here
        assert me.runs
        assert this_process() == me

    def test_a_number_used_again_is_another_process(self) -> None:
        assert not replace(this_process(), start="0").runs

    def test_a_killed_process_does_not_run_even_before_it_is_waited_for(self) -> None:
        with child() as popen:
            start = process_start(popen.pid)
            assert start is not None
            other = replace(this_process(), pid=popen.pid, start=start)
            assert other.runs
            popen.kill()
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and can still be waited for
            assert popen.returncode is None
            assert not other.runs
        assert not other.runs


def test_another_host_is_elsewhere() -> None:
    assert not Process(1, "0", "no-such-host").is_here
