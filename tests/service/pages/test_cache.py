from __future__ import annotations

import threading
import time

from nas.service.pages import cache
from nas.service.pages.cache import FAST, Fragments, Stamp

ONE, TWO = Stamp("running", 1), Stamp("running", 2)


def test_a_part_is_rendered_again_when_its_study_has_changed() -> None:
    fragments, made = Fragments(), iter("abc")
    stamps = [ONE, ONE, TWO, Stamp("done", 2)]
    assert [fragments.get("part", stamp, lambda: next(made)) for stamp in stamps] == ["a", "a", "b", "c"]


def test_a_slow_part_follows_a_running_study_at_its_own_pace() -> None:
    fragments, made = Fragments(), iter("ab")

    def slow() -> str:
        time.sleep(2 * FAST)
        return next(made)

    assert [fragments.get("part", stamp, slow) for stamp in (ONE, TWO)] == ["a", "a"]
    assert fragments.get("part", Stamp("done", 2), slow) == "b"


def test_many_who_ask_at_a_time_cost_one_rendering() -> None:
    fragments, count, gate = Fragments(), [], threading.Event()

    def render() -> str:
        count.append(1)
        gate.wait(5)
        return "made"

    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(fragments.get("p", ONE, render))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (got, len(count)) == (["made"] * 8, 1)


def test_what_nobody_asked_for_is_dropped() -> None:
    fragments = Fragments()
    for k in range(cache.MOST + 5):
        fragments.get(k, ONE, lambda: "x")
    assert len(fragments._kept) == cache.MOST
    assert len(fragments._working) == cache.MOST
