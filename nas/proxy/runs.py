"""Runs: many evaluations of one task, each recorded as it ends; what is recorded is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from nas.errors import NASError
from nas.executors import Executor, Failure
from nas.search.dispatcher import FAILURES, Dispatcher, Run
from nas.storage import Store
from nas.studies.records import Evaluation, Key
from nas.text import duration

Say = Callable[[str], None]

EVERY_SECONDS = 30.0
"""Seconds between two lines of progress."""


class Runs:
    """Carries runs out.

    Attributes:
        found: the evaluations, by their key.
        failed: name of a neck -> why one of its runs failed; its other runs are not started.
    """

    def __init__(
        self,
        store: Store,
        start: Callable[[], Executor],
        machine: str | None,
        say: Say,
        on_record: Callable[[], None] = lambda: None,
        target: str = "torch",
    ) -> None:
        """Start nothing yet.

        Args:
            store: where evaluations are recorded.
            start: gives the executor; called once, when there is a run to train.
            machine: the machine whose recorded latencies hold for the workers; None: for theirs none does.
            say: called with the progress, a line at a time.
            on_record: called after every run that was recorded.
            target: what latencies are measured on.
        """
        self.store = store
        self.say = say
        self.on_record = on_record
        self.found: dict[Key, Evaluation] = {}
        self.failed: dict[str, str] = {}
        self._dispatcher: Dispatcher[Run] = Dispatcher(store, start, machine=machine, target=target)

    def carry_out(self, runs: Sequence[Run], what: str) -> None:
        """Evaluate the runs in their order, as many at a time as there are workers.

        Raises:
            NASError: five in a row failed.
        """
        todo = []
        for run in runs:
            evaluation = self.store.evaluation(run.key)
            if evaluation is not None and evaluation.state == "complete":
                self.found[run.key] = evaluation
            else:
                todo.append(run)
        if recorded := len(runs) - len(todo):
            self.say(f"{what}: {recorded} of {len(runs)} runs are in the database already")
        try:
            self._work(todo, len(runs), what)
        finally:
            self._dispatcher.cancel()
            self._dispatcher.release()
        self.say(f"{what}: {sum(run.key in self.found for run in runs)} of {len(runs)} runs done")

    def _work(self, todo: list[Run], total: int, what: str) -> None:
        dispatcher, count = self._dispatcher, len(todo)
        began = reported = time.monotonic()
        while todo or dispatcher.running:
            todo = [run for run in todo if run.name not in self.failed]
            while todo and dispatcher.has_room:
                run = todo.pop(0)
                run.costs = dispatcher.known_costs(run.architecture)
                dispatcher.submit(run)
            for run, event in dispatcher.events(1.0):
                self._handle(run, event)
            if dispatcher.failing:
                raise NASError(f"{FAILURES} runs in a row failed, the last one because {dispatcher.errors[-1]}")
            done, now = count - len(todo) - len(dispatcher.running), time.monotonic()
            if now - reported > EVERY_SECONDS and done:
                left = (now - began) / done * (count - done)
                self.say(f"{what}: {total - count + done} of {total} runs, about {duration(left)} left")
                reported = now

    def _handle(self, run: Run, event: object) -> None:
        match event:
            case Evaluation():
                self.found[run.key] = event
                self.on_record()
            case Failure():
                self.failed[run.name] = event.message
                self.say(f"{run.name} failed: {event.message}")
