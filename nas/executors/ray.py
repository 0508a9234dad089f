"""RayExecutor: warm actors, each evaluating one job at a time and streaming its steps."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError, RuntimeEnvSetupError

from nas.errors import NASError
from nas.executors.base import Evaluate, Event, Executor, Failure, Step, logger, steps, worker_name
from nas.executors.cluster import Cluster, last_line
from nas.plugins import Carried, carried
from nas.studies.records import Job
from nas.studies.spec import Workers
from nas.text import duration

LOOK_SECONDS = 5.0
"""How often the nodes of a cluster are looked at that is not our own."""

PATIENCE_SECONDS = 600.0
"""How long a cluster is waited for that has lost all nodes with room for a worker."""


class _Worker:
    """The actor: `evaluate` and its context, warm in a process of their own.

    `run` and `stop` are in two concurrency groups, so that `run` sees a `stop` between its steps. (Ray's own cancel
    may lose a call that is sent and has not begun, and with it the slot.)
    """

    def __init__(self, plugins: Carried, references: list[Any], environment: dict[str, str]) -> None:
        """Install the plugins first: what is unpickled then may depend on them.

        Args:
            plugins: what the driver added to the tables.
            references: of `evaluate` and its context. In a list, for Ray would unpickle a bare reference before this.
            environment: variables for torch, which is imported with the references. As Ray's `runtime_env` they would
                cost seconds: the agent that makes one starts after everything else of a cluster.
        """
        os.environ.update(environment)
        plugins.install()
        self._evaluate, self._context = ray.get(references)
        self._stopped_turn = 0

    @ray.method(concurrency_group="run")
    def run(self, turn: int, job: Job) -> Iterator[tuple[Step, float, str]]:
        """Each step with the seconds since the start and the worker's name."""
        start = time.perf_counter()
        with closing(steps(self._evaluate, self._context, job)) as stepping:
            while self._stopped_turn < turn and (step := next(stepping, None)) is not None:
                yield step, time.perf_counter() - start, worker_name()

    @ray.method(concurrency_group="control")
    def stop(self, turn: int) -> None:
        """End this turn and earlier ones at their next step."""
        self._stopped_turn = max(self._stopped_turn, turn)


@dataclass(eq=False)
class _Slot:
    """A place for one job at a time: its actor, how many jobs it has had, and the running job with its steps."""

    actor: Any
    turn: int = 0
    job: Job | None = None
    stream: Any = None
    worker: str = "a worker"
    seconds: float = 0.0


class RayExecutor(Executor):
    """One actor a slot, each with the CPUs and GPUs of `workers`; `count: auto` starts as many as there is room for.

    The context is put into the object store once. If a worker process dies, its job ends with a Failure of kind
    "worker", and a new process replaces it. A worker that cannot start is not replaced: its job waits for another one,
    and `capacity` falls by one. On a cluster whose nodes come and go, `capacity` follows them within seconds, with a
    fixed `count` up to that. `address`: see `Cluster`.

    Raises:
        UserError: the cluster cannot be joined, or `workers` do not fit into it.
    """

    def __init__(self, evaluate: Evaluate, context: Any, workers: Workers, address: str | None = None) -> None:
        self._workers = workers
        self._done_seconds = 0.0
        self._busy: dict[str, _Slot] = {}
        self._slots: list[_Slot] = []
        self._places = 0  # jobs that may be submitted at a time
        self._waiting: deque[Job] = deque()  # their worker could not start
        self._cannot_start: NASError | None = None
        self._unable = 0  # workers that could not start
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._none_since: float | None = None
        self._cluster = Cluster(address, workers, context)
        try:
            self._workers = workers = self._cluster.with_gpus(workers)
            self.capacity = self._cluster.capacity(workers)
            self._plugins = carried()
            self._references = [ray.put(evaluate), ray.put(context)]
            self._slots = [_Slot(self._actor()) for _ in range(self.capacity)]
            self._places = self.capacity
        except BaseException:
            self.close()
            raise
        # Slots are reused in the order they came free: one whose cancelled evaluation still ends is taken last.
        self._free = deque(self._slots)

    def submit(self, job: Job) -> None:
        if job.id in self.running:
            raise ValueError(f"{job.id} is running")
        if len(self.running) >= self._places:
            raise ValueError(f"no slot is free for {job.id}")
        self._waiting.append(job)
        self._start_waiting()

    def events(self, timeout: float) -> list[Event]:
        self._cluster.check()
        if self._cluster.changes and time.monotonic() > self._look_at:
            self._follow_nodes()
            self._look_at = time.monotonic() + LOOK_SECONDS
        if not self._slots and self._cannot_start is None:
            time.sleep(timeout)  # until a node joins
        streams = {slot.stream: slot for slot in self._busy.values()}
        events: list[Event] = []
        if streams:
            ready, _ = ray.wait(list(streams), timeout=timeout)
            if ready:
                ready, _ = ray.wait(list(streams), num_returns=len(streams), timeout=0)
            events = [event for stream in ready if (event := self._next(streams[stream])) is not None]
        if self._cannot_start is not None and not self._slots and not events:
            raise self._cannot_start
        return events

    def cancel(self, job_id: str) -> None:
        self._waiting = deque(job for job in self._waiting if job.id != job_id)
        if job_id in self._busy:
            slot = self._busy[job_id]
            slot.actor.stop.remote(slot.turn)
            self._release(slot)

    def close(self) -> None:
        slots, self._slots, self._places = self._slots, [], 0
        for slot in slots:
            ray.kill(slot.actor)
        self._busy.clear()
        self._waiting.clear()
        self._free = deque()
        self._cluster.close()

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._busy) | {job.id for job in self._waiting}

    @property
    def busy_seconds(self) -> float:
        return self._done_seconds + sum(slot.seconds for slot in self._busy.values())

    def _actor(self) -> Any:
        """A new actor. It does not retry: the caller does, and Ray would yield an evaluation's first epochs twice."""
        environment = {"OMP_NUM_THREADS": str(max(1, int(self._workers.cpus)))}
        if not self._workers.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        # Ray's stubs lack the groups.
        remote = ray.remote(concurrency_groups={"run": 1, "control": 1})(_Worker)  # type: ignore[call-overload]
        return remote.options(
            num_cpus=self._workers.cpus,
            num_gpus=self._workers.gpus,
            max_restarts=0,
            max_task_retries=0,
        ).remote(self._plugins, self._references, environment)

    def _follow_nodes(self) -> None:
        """Give up workers whose node is gone, and add workers where a node has joined or others left.

        The number of workers never exceeds the one that was asked for.
        """
        there = self._cluster.room(self._workers)
        for slot in list(self._slots):
            if slot.job is None and self._cluster.state(slot.actor) == "DEAD":
                self._give_up(slot)
        for slot in reversed(self._slots):  # the newest first: Ray gives places in their order
            # A worker that died with a job is no longer here: `_next` has replaced it.
            if len(self._slots) > there and self._cluster.state(slot.actor) == "PENDING_CREATION":
                self._give_up(slot)
        wanted = there if self._workers.count == "auto" else min(self._workers.count, there)
        more = min(wanted - self._unable - len(self._slots), self._cluster.free_room(self._workers))
        for _ in range(more):
            slot = _Slot(self._actor())
            self._slots.append(slot)
            self._free.append(slot)
        self._note_slots()
        self._start_waiting()

    def _give_up(self, slot: _Slot) -> None:
        """Remove a slot whose worker will never run. Its job, if it has one, has not begun and goes to another."""
        if slot.job is not None:
            del self._busy[slot.job.id]
            self._waiting.appendleft(slot.job)
        else:
            self._free.remove(slot)
        ray.kill(slot.actor)
        self._slots.remove(slot)

    def _note_slots(self) -> None:
        """Note how many slots there are, and since when there is none."""
        before, self.capacity = self.capacity, len(self._slots)
        self._places = max(self._places, self.capacity)
        if self.capacity != before:
            logger.warning("the cluster has changed: %d workers, %d before", self.capacity, before)
        if self._slots:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = time.monotonic()
        elif time.monotonic() - self._none_since > PATIENCE_SECONDS:
            raise NASError(
                f"no node of the cluster has had room for a worker for {duration(PATIENCE_SECONDS)}; what is finished "
                "is kept: the same command goes on once there is one"
            )

    def _start_waiting(self) -> None:
        """Start waiting jobs in the free slots."""
        while self._waiting and self._free:
            job, slot = self._waiting.popleft(), self._free.popleft()
            slot.job, slot.turn = job, slot.turn + 1
            slot.stream = slot.actor.run.options(num_returns="streaming").remote(slot.turn, job)
            self._busy[job.id] = slot

    def _next(self, slot: _Slot) -> Event | None:
        """The next event of a slot whose stream is ready; None if its worker could not start."""
        assert slot.job is not None
        what: Step
        try:
            what, slot.seconds, slot.worker = ray.get(next(slot.stream))
        except RayTaskError as error:
            what = Failure(f"its result cannot be sent: {last_line(error)}", "trial", str(error))
        except RayError as error:
            cannot_start = isinstance(error, RayActorError) and error.actor_init_failed
            if cannot_start or isinstance(error, RuntimeEnvSetupError):
                self._drop(slot, last_line(error))
                return None
            what = Failure("its worker process died: killed, crashed or out of memory", "worker", str(error))
            ray.kill(slot.actor)
            slot.actor = self._actor()
        event = Event.of(slot.job, what, slot.worker)
        if event.final:
            self._release(slot)
        return event

    def _drop(self, slot: _Slot, reason: str) -> None:
        """Remove a slot whose worker could not start; its job goes to another."""
        assert slot.job is not None
        del self._busy[slot.job.id]
        self._waiting.appendleft(slot.job)
        self._slots.remove(slot)
        self._unable += 1
        self.capacity = len(self._slots)
        self._cannot_start = NASError(f"no worker can start: {reason}")
        logger.warning("a worker cannot start, %d are left: %s", self.capacity, reason)
        self._start_waiting()

    def _release(self, slot: _Slot) -> None:
        assert slot.job is not None
        del self._busy[slot.job.id]
        self._done_seconds += slot.seconds
        slot.job, slot.stream, slot.seconds = None, None, 0.0
        self._free.append(slot)
        self._start_waiting()
