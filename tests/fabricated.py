"""A study database as a search leaves it, without the search: real tables, invented numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from nas.necks.architecture import Architecture
from nas.necks.topologies import fpn
from nas.storage import Store, open_store
from nas.studies.records import Evaluation, Key, Measurement, Progress
from nas.studies.spec import Objective, StudySpec

TEXT = "task: {kind: detection, data: {kind: digits}}\n"
TASK = "t1-digits"
EPOCHS = 2
WIDTHS = IntDistribution(8, 96, step=8)
PROVENANCE = {"nas": "0.1.0", "space": {"name": "cells", "parameters": {"width": list(range(8, 104, 8))}}}


def spec(*objectives: str) -> StudySpec:
    return StudySpec.parse(
        {
            "name": "cells",
            "task": {"kind": "detection", "data": {"kind": "digits"}, "epochs": EPOCHS},
            "objectives": list(objectives),
        }
    )


def architecture(width: int) -> Architecture:
    return Architecture(neck=fpn((3, 4, 5), width))


class Fabric:
    """Writes one study of a store, trial by trial."""

    def __init__(
        self,
        store: Store,
        name: str = "cells",
        objectives: tuple[str, ...] = ("ap",),
        provenance: Mapping[str, Any] = PROVENANCE,
    ) -> None:
        self.store = store
        self.name = name
        self.objectives: tuple[Objective, ...] = spec(*objectives).objectives
        stored = spec(*objectives).model_copy(update={"name": name})
        store.begin(name, stored, TEXT, TASK, dict(provenance)).close("interrupted")
        directions = [o.direction for o in self.objectives]
        self.study = optuna.create_study(study_name=name, storage=store.optuna, directions=directions)

    def ask(self, width: int, **attributes: Any) -> optuna.Trial:
        """A running trial that stands for an FPN of that width."""
        proposed = "baseline" not in attributes
        if proposed:
            self.study.enqueue_trial({"width": width})
        trial = self.study.ask({"width": WIDTHS} if proposed else {})
        built = architecture(width)
        for key, value in ({"digest": built.digest} | attributes).items():
            trial.set_user_attr(key, value)
        self.store.bind(self.name, trial.number, self._key(built), built, attributes.get("baseline"))
        return trial

    def complete(self, width: int, feasible: bool = True, seconds: float = 12.34, **metrics: Any) -> int:
        """A trained trial; `baseline` among the metrics names it."""
        named = {"baseline": metrics.pop("baseline")} if "baseline" in metrics else {}
        metrics |= {"seconds": seconds}
        trial = self.ask(width, metrics=metrics, feasible=feasible, **named)
        self._record(width, metrics, seconds)
        self.study.tell(trial, [metrics[o.metric] for o in self.objectives])
        return trial.number

    def duplicate(self, width: int, origin: int, **attributes: Any) -> int:
        """A proposal that was told the values of an earlier trial, or that it was pruned."""
        first = self.study.get_trials(deepcopy=False)[origin]
        copied = {name: first.user_attrs[name] for name in ("metrics", "feasible") if name in first.user_attrs}
        trial = self.ask(width, duplicate_of=origin, **copied, **attributes)
        if first.state == TrialState.COMPLETE:
            self.study.tell(trial, first.values)
        else:
            self.study.tell(trial, state=TrialState.PRUNED)
        return trial.number

    def pruned(self, width: int, **attributes: Any) -> int:
        trial = self.ask(width, **attributes)
        self.study.tell(trial, state=TrialState.PRUNED)
        return trial.number

    def failed(self, width: int, error: str) -> int:
        trial = self.ask(width, error=error)
        self.store.attempt(self._key(architecture(width)), 1, "host:1")
        self.store.attempt_ended(self._key(architecture(width)), 1, "failed", error)
        self.study.tell(trial, state=TrialState.FAIL)
        return trial.number

    def close(self, state: Any = "done") -> None:
        self.store.lease(self.name).close(state)

    def _key(self, built: Architecture) -> Key:
        return Key(digest=built.digest, task=TASK, seed=0, epochs=EPOCHS)

    def _record(self, width: int, metrics: dict[str, Any], seconds: float) -> None:
        built = architecture(width)
        curve = tuple(
            Progress(epoch=e, epochs=EPOCHS, seconds=e, metrics={"loss": 1 / e}) for e in range(1, EPOCHS + 1)
        )
        measurement = Measurement(metrics=metrics, seconds=seconds)
        evaluation = Evaluation(
            key=self._key(built), architecture=built, state="complete", measurement=measurement, curve=curve
        )
        self.store.record(evaluation)


def fabricate(folder: Path) -> str:
    """One study `cells` with a trial of every state. Its best is trial 3; gives the URL."""
    url = f"sqlite:///{folder}/nas.db"
    with open_store(url, create=True) as store:
        study = Fabric(store)
        study.complete(8, ap=0.361, params=1.2e6, latency_ms=12.5, baseline="fpn")
        study.complete(16, ap=0.9, params=9.9e9, latency_ms=99.0, baseline="panet", feasible=False)
        study.complete(24, ap=0.300, params=1.3e6, latency_ms=11.0, ap_small=None)
        study.complete(32, ap=0.372, params=1.5e6, latency_ms=14.0)
        study.duplicate(32, origin=3)
        study.pruned(40, infeasible=True)
        study.pruned(48)
        study.failed(56, "the loss is not finite")
        study.ask(64)
        study.study.enqueue_trial({"width": 72})
        study.close("interrupted")
    return url
