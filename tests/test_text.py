from __future__ import annotations

import pytest

from nas.text import Countdown, heard_by, listener


def test_a_countdown_speaks_after_five_seconds_and_then_every_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("nas.text.time.monotonic", lambda: now)
    said: list[str] = []
    countdown = Countdown(said.append, "cache", 3000)
    for _ in range(30):
        now += 1
        countdown.done(round((now - 100) * 100))
    assert said == [
        "cache: 500 of 3,000, about 25 s left",
        "cache: 1,500 of 3,000, about 15 s left",
        "cache: 2,500 of 3,000, about 5 s left",
    ]


def test_short_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    countdown = Countdown(said.append, "cache", 2)
    countdown.done(1)
    countdown.done(2)
    assert said == []


def test_progress_is_heard_within_and_by_nobody_else() -> None:
    said: list[str] = []
    with heard_by(said.append):
        listener()("one")
        with heard_by(lambda line: None):
            listener()("two")
    listener()("three")
    assert said == ["one"]
