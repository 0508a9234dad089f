"""A finished study put into a store by hand, as the search would."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import TrialState

from nas.models import Detector
from nas.models.backbone import Backbone
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.spec import NeckSpec
from nas.necks.topologies import fpn, panet
from nas.storage import Store, open_store
from nas.studies.records import Evaluation, Key, Measurement
from nas.studies.spec import StudySpec
from nas.tasks.weights import packed

SIZE = 64
TASK = "t1-abc"
CLASSES = ("cat", "dog", "owl")
BACKBONE = BackboneSpec(levels=(2, 3, 4), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def around(neck: NeckSpec) -> Architecture:
    """A detector around a neck, as a task makes it."""
    backbone = BACKBONE.model_copy(update={"levels": neck.inputs})
    return Architecture(backbone=backbone, neck=neck, head=HeadSpec(classes=CLASSES), image_size=SIZE)


def shared_backbone() -> Backbone:
    """The frozen backbone, with all its levels; its statistics are not those of a fresh one."""
    torch.manual_seed(1)
    backbone = Backbone(BACKBONE).train()
    backbone(torch.rand(4, 3, SIZE, SIZE))
    return backbone.eval()


def measured(architecture: Architecture, seed: int = 0) -> Detector:
    """A detector as it is after training: on the frozen backbone, with weights that find something."""
    return deepcopy(_measured(architecture, seed))


@cache
def _measured(architecture: Architecture, seed: int) -> Detector:
    torch.manual_seed(seed)
    model = Detector(architecture)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    own = model.backbone.state_dict()
    state = shared_backbone().state_dict()
    model.backbone.load_state_dict({name: state[name] for name in own})
    model.eval().neck.train()
    with torch.no_grad():
        model.raw(torch.rand(2, 3, SIZE, SIZE))
    return model.to(memory_format=torch.channels_last).eval()


@cache
def _packed_backbone() -> bytes:
    return packed({f"backbone.{name}": tensor for name, tensor in shared_backbone().state_dict().items()})


class StoredStudy:
    """A store with study `pets`, or of another `name`; `add` adds trials."""

    def __init__(self, folder: Path, **spec: Any) -> None:
        task = {"kind": "detection", "data": {"kind": "digits"}, "image_size": SIZE}
        self.store: Store = open_store(f"sqlite:///{folder}/nas.db", create=True)
        self.spec = StudySpec.parse({"name": "pets", "task": task, "space": {"width": 8}} | spec)
        self.name = str(self.spec.name)
        self.store.begin(self.name, self.spec, "task: ...\n", TASK, {}).close("done")
        directions = [objective.direction for objective in self.spec.objectives]
        self.study = optuna.create_study(study_name=self.name, storage=self.store.optuna, directions=directions)
        self.store.put_artifact(f"task/{TASK}", "backbone", _packed_backbone())

    def add(
        self,
        model: Detector,
        metrics: Mapping[str, float | None],
        *,
        state: TrialState = TrialState.COMPLETE,
        keep: bool = True,
        whole: bool = False,
        **attributes: Any,
    ) -> int:
        """A trial with its evaluation; `keep` its weights, with `whole` those of the backbone too."""
        trial = self.study.ask()
        architecture = model.architecture
        key = Key(digest=architecture.digest, task=TASK, seed=0, epochs=2)
        self.store.bind(self.name, trial.number, key, architecture, attributes.get("baseline"))
        if state is TrialState.COMPLETE:
            weights = {k: v for k, v in model.state_dict().items() if whole or not k.startswith("backbone.")}
            measurement = Measurement(
                metrics=dict(metrics), seconds=1.0, details={"device": "cpu"}, weights=packed(weights) if keep else None
            )
            self.store.record(Evaluation(key=key, architecture=architecture, state="complete", measurement=measurement))
        reported = {"digest": key.digest, "metrics": dict(metrics), "feasible": True} | attributes
        for name, value in reported.items():
            trial.set_user_attr(name, value)
        values = [metrics[o.metric] or 0.0 for o in self.spec.objectives] if state is TrialState.COMPLETE else None
        self.study.tell(trial, values, state=state)
        return trial.number


WINNER = around(fpn((3, 4), 8, extra=1))
RIVAL = around(panet((2, 3, 4), 8))
