"""Runs: many evaluations of one task, each recorded as it ends. Recorded ones are not run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from nas.errors import NASError
from nas.executors import Executor, Failure
from nas.search.dispatcher import FAILURES, Dispatcher, Run
from nas.storage import Store
from nas.studies.records import Evaluation, Key
from nas.tasks.base import Say
from nas.text import duration

EVERY_SECONDS = 30.0
"""Seconds between two lines of progress."""


class Runs:
    """Completes runs on an executor.

    Args:
        store, start, machine, target: as in `Dispatcher`.
        say: called with the progress, a line at a time.
        on_record: called after every recorded run.
        metrics: as in `Dispatcher`.
        prefixes: whether a short run is the start of a longer one, so that the longer one has its result.

    Attributes:
        found: the evaluations by their keys.
        failed: name of a neck -> why one of its runs failed. Its other runs are not started.
    """

    def __init__(
        self,
        store: Store,
        start: Callable[[], Executor],
        machine: str | None,
        say: Say,
        on_record: Callable[[], None] = lambda: None,
        target: str = "torch",
        metrics: Iterable[str] = (),
        prefixes: bool = False,
    ) -> None:
        self.store = store
        self.prefixes = prefixes
        self.say = say
        self.on_record = on_record
        self.found: dict[Key, Evaluation] = {}
        self.failed: dict[str, str] = {}
        self._dispatcher: Dispatcher[Run] = Dispatcher(store, start, machine=machine, target=target, metrics=metrics)

    def complete(self, runs: Sequence[Run], what: str) -> None:
        """Evaluate the runs in their order, on all workers at a time.

        Raises:
            NASError: five in a row failed.
        """
        known = {run.key: e for run in runs if (e := self._known(run)) is not None}
        self.found |= known
        if known:
            self.say(f"{what}: {len(known)} of {len(runs)} runs are in the database already")
        try:
            self._train([run for run in runs if run.key not in known], len(runs), what)
        finally:
            self._dispatcher.cancel()
            self._dispatcher.release()
        self.say(f"{what}: {sum(run.key in self.found for run in runs)} of {len(runs)} runs done")

    def _known(self, run: Run) -> Evaluation | None:
        recorded = self.store.evaluation(run.key)
        if recorded is not None and recorded.state == "complete":
            return recorded
        if not self.prefixes or run.keep_weights:
            return None
        longer = (e for e in self.store.longer_evaluations(run.key) if e.key.seed == run.key.seed)
        return next((cut for e in longer if (cut := e.prefix(run.key.epochs)) is not None), None)

    def _train(self, todo: list[Run], total: int, what: str) -> None:
        dispatcher, count = self._dispatcher, len(todo)
        began = reported = time.monotonic()
        while todo or dispatcher.running:
            todo = [run for run in todo if run.name not in self.failed]
            while todo and dispatcher.has_room:
                run = todo.pop(0)
                run.costs = dispatcher.known_costs(run.architecture)
                dispatcher.submit(run)
            for run, event in dispatcher.events(1.0):
                if isinstance(event, Evaluation):
                    self.found[run.key] = event
                    self.on_record()
                elif isinstance(event, Failure):
                    self.failed[run.name] = event.message
                    self.say(f"{run.name} failed: {event.message}")
            if dispatcher.failing:
                raise NASError(f"{FAILURES} runs in a row failed, the last one because {dispatcher.errors[-1]}")
            done, now = count - len(todo) - len(dispatcher.running), time.monotonic()
            if now - reported > EVERY_SECONDS and done:
                left = (now - began) / done * (count - done)
                self.say(f"{what}: {total - count + done} of {total} runs, about {duration(left)} left")
                reported = now
