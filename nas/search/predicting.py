"""Predicting: necks that a latency constraint refuses before a worker times them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import closing, contextmanager

from nas.models.cost.predictor import LATEST, Predictor
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Architecture
from nas.search.setup import Setup
from nas.storage import Store
from nas.studies.metrics import Metrics
from nas.studies.task import RemoteTarget, timed_on
from nas.tasks.device import local_device
from nas.text import Say

LATENCY = "latency_ms"

Beat = Callable[[], None]
"""Tells that the launch lives."""


class StoredTable(MutableMapping[str, float]):
    """The latencies of operations on a machine and target, in the database: they are measured once for all studies."""

    def __init__(self, store: Store, machine: str, target: str) -> None:
        self.store, self.place = store, (machine, target)
        self.known: dict[str, float] = {}

    def __getitem__(self, key: str) -> float:
        if key not in self.known:
            found = self.store.latency(f"operation {key}", *self.place)
            if found is None:
                raise KeyError(key)
            self.known[key] = found
        return self.known[key]

    def __setitem__(self, key: str, milliseconds: float) -> None:
        self.store.record_latency(f"operation {key}", *self.place, milliseconds)
        self.known[key] = milliseconds

    def __delitem__(self, key: str) -> None:
        raise TypeError("measured latencies stay")

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


class Predicting:
    """The predictor of a study with a latency constraint. In other studies, and where it fails, it refuses nothing.

    It is idle too where this process cannot measure what the workers do: on another cluster's machines.

    Attributes:
        refused: proposals that were refused.
    """

    def __init__(self, setup: Setup, store: Store, say: Say) -> None:
        self.say, self.refused = say, 0
        self.bound = setup.spec.constraints.get(LATENCY)
        target, device = setup.spec.task.latency_target, setup.task.device
        self.target = timed_on(target, device)
        here = isinstance(target, RemoteTarget) or local_device(device).type == device
        self.predictor: Predictor | None = None
        if self.bound is not None and setup.machine is not None and here:
            table = StoredTable(store, setup.machine, self.target)
            self.predictor = Predictor(target, device, table, _exclusive)

    def recall(self, architectures: Sequence[Architecture], store: Store, setup: Setup, beat: Beat) -> None:
        """Learn from the latest that earlier launches timed; `beat` is called between, for measuring takes long."""
        timed: dict[str, tuple[Architecture, float]] = {}
        for architecture in reversed(architectures) if self.predictor is not None else ():
            beat()
            known = store.latency(architecture.digest, setup.machine or "", self.target)
            if known is not None:
                timed.setdefault(architecture.digest, (architecture, known))
            if len(timed) == LATEST:
                break
        for architecture, known in reversed(timed.values()):
            beat()
            self.learn(architecture, {LATENCY: known})

    def learn(self, architecture: Architecture, metrics: Metrics) -> None:
        """Take in a neck that a worker timed."""
        milliseconds = metrics.get(LATENCY)
        if self.predictor is None or milliseconds is None:
            return
        try:
            self.predictor.learn(architecture, milliseconds)
        except Exception as error:  # an operation that the target cannot run by itself: runtimes raise what they like
            self._give_up(error)

    def refuted(self, architecture: Architecture, known: Metrics) -> Metrics:
        """The predicted latency of a proposal that breaks the constraint by more than the error; otherwise nothing.

        It is no measurement: it serves to refuse the proposal, and stands for nothing else.
        """
        if self.predictor is None or self.bound is None or known.get(LATENCY) is not None:
            return {}
        try:
            found = self.predictor.refuted(architecture, self.bound)
        except Exception as error:
            self._give_up(error)
            return {}
        if found is None:
            return {}
        self.refused += 1
        return {LATENCY: found}

    def end(self) -> None:
        """Say how good the predictions were."""
        error = self.predictor.error if self.predictor is not None else None
        if error is not None:
            self.say(
                f"latency predictor: {self.refused} necks refused before a worker timed them; off by "
                f"{100 * error.median:.0f} % in the median over {error.models} that were timed, nine of ten within "
                f"{100 * error.most:.0f} %"
            )

    def _give_up(self, error: Exception) -> None:
        self.say(f"latency predictor: off, because {' '.join(str(error).split())[:200]}")
        self.predictor = None


@contextmanager
def _exclusive() -> Iterator[None]:
    with closing(MeasurementLock()) as lock, lock.exclusive():
        yield
