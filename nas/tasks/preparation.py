"""Preparing a task: data, backbone, and the choice of a cache; once a study, in the driver."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar, get_args

import torch

from nas.models.backbone import Backbone
from nas.models.cost import intra_op_threads
from nas.models.pretrained import load_state
from nas.necks.presets import reference_fpn
from nas.studies.records import EVALUATOR
from nas.studies.spec import TaskSpec, available_cpus
from nas.tasks import cache, data, weights
from nas.tasks.base import Say, Task
from nas.tasks.data import Dataset
from nas.tasks.data.classes import remarks
from nas.tasks.device import Device, Precision, local_device, resolve_device, resolve_precision
from nas.tasks.supervised import PRETRAINED_RATE, SupervisedTask
from nas.text import heard_by

A = TypeVar("A", bound=SupervisedTask[Any])

WARM_UP_WIDTH = 48
"""Width of the FPN with which a backbone without weights is warmed up."""

_LISTED = 12
"""Classes that are listed by name."""


def load_task(kind: type[A], spec: TaskSpec, say: Say, shared: bytes | None, known_classes: Collection[str]) -> A:
    """See `nas.tasks.load`."""
    with heard_by(say):
        backbone, has_weights = weights.load_backbone(spec, shared)
        dataset = data.load(spec.data, spec.image_size, spec.cache_bytes, kind.kinds, known_classes)
    say(_describe(dataset, kind.describe_labels(dataset)))
    for line in (*dataset.faults.notes, *remarks(dataset), *dataset.faults.summary().splitlines()):
        say(f"data: {line}")
    frame = weights.frame(spec, backbone)
    device = resolve_device(spec.device)
    chosen, note = cache.choose(spec, frame, len(dataset.train), len(dataset.val), kind.target_bytes(spec))
    say(note)
    if chosen == "images":
        dataset = replace(dataset, train=dataset.train.held(), val=dataset.val.held())
    return kind(
        spec=spec,
        dataset=dataset,
        backbone=backbone.spec,
        state=weights.arrays(backbone),
        tuned=_tuned(spec, backbone),
        cold=not has_weights and spec.backbone.tune == "frozen",
        backbone_rate=PRETRAINED_RATE if has_weights else 1.0,
        cache=chosen,
        device=device,
        precision=resolve_precision(spec.precision, device),
        targets=None,
        train_maps=None,
        val_maps=None,
        fingerprint="",
        elsewhere=frozenset(),
        frame=frame,
        available=frozenset(kind.available_metrics(dataset.val)),
    )


def settle_task(task: Task, say: Say) -> Task:
    """See `nas.tasks.settle`."""
    assert isinstance(task, SupervisedTask)
    if task.fingerprint:
        return task
    if task.cold:
        task = replace(task, state=weights.arrays(_warmed_up(task, say)), cold=False)
    content = task.spec, task.dataset.digest, weights.digest(task.state)
    own = fingerprint(*content, task.cache, task.device, task.precision)
    machines = product(get_args(cache.Cache), get_args(Device), get_args(Precision))
    elsewhere = frozenset(fingerprint(*content, *machine) for machine in machines) - {own}
    return replace(task, fingerprint=own, elsewhere=elsewhere)


def fingerprint(
    spec: TaskSpec, dataset: str, backbone: str, kind: cache.Cache, device: Device, precision: Precision
) -> str:
    """16 hex digits over all that can change a metric, but the epochs; where files are does not count.

    `dataset` and `backbone` are digests of content. Cached features count: they are float16, and give other numbers
    than images. A key that is newer than the first studies counts only if it is not at its default, so that their
    evaluations keep their fingerprint.
    """
    left_out = {"epochs", "cache", "cache_bytes", "data", "backbone", "device", "precision", "latency_target"}
    plain = TaskSpec(kind=spec.kind, data=spec.data)
    left_out |= {key for key in ("jitter", "mosaic", "options") if getattr(spec, key) == getattr(plain, key)}
    left_out |= {"head"} if spec.head_kind == plain.head_kind else set()
    content = {
        "spec": spec.model_dump(mode="json", exclude=left_out),
        "device": device,
        "precision": precision,
        "backbone": [spec.backbone.name, spec.backbone.tune, backbone],
        "data": dataset,
        "features": kind == "features",
        "evaluator": EVALUATOR,
    }
    if spec.backbone.tune != "frozen" and device == "cpu" and precision != "fp32":
        content["depthwise"] = "fp32"  # earlier versions had it in bf16
    if spec.latency_target != "torch":
        content["latency_target"] = str(spec.latency_target)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _tuned(spec: TaskSpec, backbone: Backbone) -> frozenset[str]:
    """Names of the parameters of the task's whole backbone that are trained."""
    if spec.backbone.tune == "partial":
        return frozenset(backbone.coarsest_stage())
    return frozenset(name for name, _ in backbone.named_parameters() if spec.backbone.tune == "full")


def _describe(dataset: Dataset, labels: str) -> str:
    counts = f"{len(dataset.train)} training and {len(dataset.val)} validation images ({dataset.split})"
    number, more = len(dataset.classes), len(dataset.classes) - _LISTED
    listed = ", ".join(dataset.classes[:_LISTED]) + (f" and {more} more" if more > 0 else "")
    return f"data: {counts}, {labels}, {number} {'class' if number == 1 else 'classes'}: {listed}"


def _warmed_up(task: SupervisedTask[Any], say: Say) -> Backbone:
    """A backbone without weights, trained on the task under an FPN so that all trials can share it frozen."""
    epochs = task.spec.backbone.warmup
    with torch.random.fork_rng():
        backbone = Backbone(task.backbone)
    load_state(backbone, weights.tensors(task.state), "the task's backbone")
    say(f"backbone: {task.spec.backbone.name} has no weights; warming it up on the task for {epochs} epochs")
    tuned = task.spec.model_copy(update={"backbone": task.spec.backbone.model_copy(update={"tune": "full"})})
    cached: cache.Cache = "none" if task.cache == "none" else "images"
    device: Device = "cuda" if local_device(task.device).type == "cuda" else "cpu"
    warm = replace(task, spec=tuned, cache=cached, tuned=_tuned(tuned, backbone), device=device)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = warm.build(warm.architecture(reference_fpn(task.frame, WARM_UP_WIDTH)))
    with intra_op_threads(available_cpus()):
        *_, last = warm.train(model, 0, epochs)
    metric, name = task.quality
    say(f"backbone: warmed up, {name} {last.metrics[metric]:.3f} under an FPN")
    backbone.load_state_dict(model.backbone.state_dict())
    return backbone.eval().requires_grad_(False)
