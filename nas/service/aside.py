"""Aside: work that needs torch, or much memory, in processes that are forked from a warm one.

That one has imported what every search needs, so that a process begins at once. It is started afresh by
`multiprocessing` and runs no thread, unlike the service.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, TypeVar, cast

from nas.service.problems import Refusal

PRELOADED = ("nas.service.queue.work", "nas.search.driver", "nas.search.checks")

SECONDS = 120.0
"""How long such work may take for somebody who waits for a page."""

T = TypeVar("T")

_one_at_a_time = threading.Lock()
"""Each takes memory and a core."""


@cache
def context() -> ForkServerContext:
    """What forks processes."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(list(PRELOADED))
    return found


def warm_up() -> None:
    """Start the process that others are forked from; it imports what they need meanwhile."""
    from multiprocessing.forkserver import ensure_running

    context()
    ensure_running()


def aside(function: Callable[..., T], *args: Any) -> T:
    """What a function of a module returns, called in a process of its own.

    Args:
        function: may not raise: its process would die.
        args: its arguments; they are pickled, as is the result.

    Raises:
        Refusal: the process died, took more than `SECONDS`, or could not begin within them.
    """
    if not _one_at_a_time.acquire(timeout=SECONDS):
        raise Refusal(503, f"others were before, for {SECONDS:g} s", {"Retry-After": "60"})
    try:
        ours, theirs = context().Pipe(duplex=False)
        process = context().Process(target=_call, args=(theirs, function, args), name=function.__name__, daemon=True)
        process.start()
        theirs.close()
        try:
            if not ours.poll(SECONDS):
                raise Refusal(503, f"this took more than {SECONDS:g} s", {"Retry-After": "60"})
            return cast(T, ours.recv())
        except EOFError:
            raise Refusal(500, "the process that worked this out died; is memory short?") from None
        finally:
            process.kill()
            process.join()
            ours.close()
    finally:
        _one_at_a_time.release()


def _call(pipe: Connection, function: Callable[..., object], args: tuple[Any, ...]) -> None:
    pipe.send(function(*args))
