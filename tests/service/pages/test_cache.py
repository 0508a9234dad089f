from __future__ import annotations

import threading

from nas.service.pages import cache
from nas.service.pages.cache import Fragments


def test_a_part_is_rendered_again_when_its_study_has_changed() -> None:
    fragments, made = Fragments(), iter("abc")
    render = lambda: next(made)  # noqa: E731
    assert [fragments.get("part", stamp, render) for stamp in (1, 1, 2, 1)] == ["a", "a", "b", "c"]


def test_many_who_ask_at_a_time_cost_one_rendering() -> None:
    fragments, count, gate = Fragments(), [], threading.Event()

    def render() -> str:
        count.append(1)
        gate.wait(5)
        return "made"

    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(fragments.get("p", 1, render))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (got, len(count)) == (["made"] * 8, 1)


def test_what_nobody_asked_for_is_dropped() -> None:
    fragments = Fragments()
    for k in range(cache.MOST + 5):
        fragments.get(k, 1, lambda: "x")
    assert len(fragments._kept) == cache.MOST
    assert len(fragments._working) == cache.MOST
