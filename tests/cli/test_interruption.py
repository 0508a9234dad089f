from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from nas.cli.interruption import second_interrupt_stops

STUCK = """
import time
from nas.cli.interruption import second_interrupt_stops
with second_interrupt_stops():
    try:
        print("searching", flush=True)
        time.sleep(60)
    finally:
        print("ending", flush=True)
        time.sleep(60)
        print("ended", flush=True)
"""


@pytest.mark.slow
def test_the_second_stops_at_once_whatever_the_first_one_waits_for() -> None:
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stuck:
        assert stuck.stdout is not None
        for word in ("searching\n", "ending\n"):
            assert stuck.stdout.readline() == word
            stuck.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = stuck.communicate()
    assert time.monotonic() - began < 10
    assert (stuck.returncode, out) == (130, "")
    assert err.splitlines() == [
        "stopping: the runs under way are requeued; Ctrl-C again stops at once",
        "nas: stopped at once; finished trials are kept, and the same command goes on",
    ]


def test_the_first_is_an_interrupt(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), second_interrupt_stops():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capfd.readouterr().err.startswith("stopping: ")


def test_who_ignores_it_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with second_interrupt_stops():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
