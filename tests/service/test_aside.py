"""Work in a process of its own."""

from __future__ import annotations

import os
import time

import pytest

from nas.service import aside as module
from nas.service.aside import aside
from nas.service.problems import Refusal


def test_it_is_done_in_another_process() -> None:
    assert aside(os.getpid) != os.getpid()


def test_a_process_that_dies_is_a_refusal() -> None:
    with pytest.raises(Refusal, match="died; is memory short") as refused:
        aside(os._exit, 9)
    assert refused.value.status == 500


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    aside(os.getpid)  # the process that others are forked from is there
    monkeypatch.setattr(module, "SECONDS", 0.3)
    with pytest.raises(Refusal, match="took more than") as refused:
        aside(time.sleep, 60)
    assert refused.value.status == 503


def test_who_waits_too_long_for_others_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.05)
    with module._one_at_a_time, pytest.raises(Refusal, match="others were before") as refused:
        aside(os.getpid)
    assert refused.value.status == 503
