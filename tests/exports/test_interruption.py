from __future__ import annotations

import os
import signal

import pytest

from nas.exports.interruption import Interrupted, interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_step_and_a_second_one_does_not(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    lines: list[str] = []
    with interruptible(lines.append) as interruption:
        interruption()
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted):
            interruption()
        with pytest.raises(KeyboardInterrupt) as caught:
            os.kill(os.getpid(), number)
        assert caught.type is KeyboardInterrupt
    assert len(lines) == 1
    assert signal.getsignal(number) is before
