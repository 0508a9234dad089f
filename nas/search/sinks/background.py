"""Sinks of a launch, each in a thread of its own: a tracker that is slow or away does not hold up the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread

from nas.errors import first_line
from nas.search.sinks.contract import Sink
from nas.studies.metrics import Metrics
from nas.text import Say

PATIENCE_SECONDS = 30.0
"""How long the end of a launch waits for a sink."""

Call = Callable[[Sink], None]


class Background:
    """A sink and its thread.

    Attributes:
        error: why it failed; None while it works.
    """

    def __init__(self, text: str, sink: Sink) -> None:
        self.name = text.partition(":")[0]
        self.error: str | None = None
        self._text = text
        self._sink = sink
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=f"sink {self.name}", daemon=True)
        self._thread.start()

    def put(self, call: Call | None) -> None:
        """Have the thread make a call; None: it is the last."""
        self._calls.put(call)

    def join(self, seconds: float) -> bool:
        """Wait for the last call; False if it did not come in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                call(self._sink)
        except Exception as error:  # whatever a tracker raises
            message = f"{type(error).__name__}: {first_line(error)}"
            self.error = message.replace(self._text.partition(":")[2], "its place")  # which may hold a password


class Sinks:
    """What a launch reports, passed on to every sink that still works."""

    def __init__(self, sinks: Sequence[Background] = (), say: Say = lambda line: None) -> None:
        self._sinks = list(sinks)
        self._say = say

    def begun(self, run: str, about: Mapping[str, str]) -> None:
        self._each(lambda sink: sink.begun(run, about))

    def progressed(self, run: str, epoch: int, metrics: Metrics) -> None:
        self._each(lambda sink: sink.progressed(run, epoch, metrics))

    def ended(self, run: str, state: str, metrics: Metrics) -> None:
        self._each(lambda sink: sink.ended(run, state, metrics))

    def close(self) -> None:
        """Finish all sinks."""
        self._each(lambda sink: sink.close())
        for sink in self._sinks:
            sink.put(None)
        for sink in self._sinks:
            if not sink.join(PATIENCE_SECONDS):
                self._say(f"sink {sink.name} is not done after {PATIENCE_SECONDS:.0f} s and is given up")
        self._drop_failed()

    def _each(self, call: Call) -> None:
        self._drop_failed()
        for sink in self._sinks:
            sink.put(call)

    def _drop_failed(self) -> None:
        for sink in self._sinks:
            if sink.error is not None:
                self._say(f"sink {sink.name} was dropped ({sink.error}); the search goes on without it")
        self._sinks = [sink for sink in self._sinks if sink.error is None]
