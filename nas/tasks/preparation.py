"""Preparing a task: data, backbone, and what is to be cached; once a study, in the driver."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar, get_args

import numpy as np
import torch

from nas.models.backbone import Backbone
from nas.models.cost import intra_op_threads
from nas.models.pretrained import load_state
from nas.necks.architecture import Frame
from nas.necks.topologies import fpn
from nas.studies.records import EVALUATOR
from nas.studies.spec import TaskSpec, available_cpus
from nas.tasks import cache, data, weights
from nas.tasks.base import Say, Task
from nas.tasks.data import Dataset, Split
from nas.tasks.data.occurrence import remarks
from nas.tasks.device import Device, Precision, here, resolved, resolved_precision
from nas.tasks.supervised import PRETRAINED_RATE, SupervisedTask

A = TypeVar("A", bound=SupervisedTask[Any])

WARM_UP_WIDTH = 48
"""Width of the FPN with which a backbone without weights is warmed up."""


def load_task(kind: type[A], spec: TaskSpec, say: Say, kept: bytes | None, known_classes: Collection[str]) -> A:
    """See `nas.tasks.load`."""
    backbone, known = weights.loaded(spec, kept)
    dataset = data.load(spec.data, spec.image_size, spec.cache_bytes, kind.kinds, known_classes)
    say(_about(dataset, kind.labels_of(dataset)))
    for line in (*dataset.faults.notes, *remarks(dataset), *dataset.faults.summary().splitlines()):
        say(f"data: {line}")
    frame = Frame(channels=backbone.channels, image_size=spec.image_size)
    device = resolved(spec.device)
    plan = cache.plan(spec, frame, len(dataset.train), len(dataset.val), kind.target_bytes(spec))
    say(plan.note)
    return kind(
        spec=spec,
        dataset=_held(dataset) if plan.cache == "images" else dataset,
        backbone=backbone.spec,
        state=weights.arrays(backbone),
        tuned=_tuned(spec, backbone),
        cold=not known and spec.backbone.tune == "frozen",
        backbone_rate=PRETRAINED_RATE if known else 1.0,
        cache=plan.cache,
        device=device,
        precision=resolved_precision(spec.precision, device),
        targets=None,
        train_maps=None,
        val_maps=None,
        fingerprint="",
        elsewhere=frozenset(),
        frame=frame,
        available=frozenset(kind.metrics_of(dataset.val)),
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


def _tuned(spec: TaskSpec, backbone: Backbone) -> frozenset[str]:
    """Names of the parameters of the task's whole backbone that are trained."""
    if spec.backbone.tune == "partial":
        return frozenset(backbone.coarsest_stage())
    return frozenset(name for name, _ in backbone.named_parameters() if spec.backbone.tune == "full")


def fingerprint(
    spec: TaskSpec, dataset: str, backbone: str, kind: cache.Cache, device: Device, precision: Precision
) -> str:
    """16 hex digits over all that can change a metric, the epochs apart; where files lie is no part of it.

    `dataset` and `backbone` are digests of content. Cached features are float16 and
    give other numbers than fresh images.
    """
    apart = {"epochs", "cache", "cache_bytes", "data", "backbone", "device", "precision", "latency_target"}
    plain = TaskSpec(kind=spec.kind, data=spec.data)
    # Tasks of old have no such keys.
    apart |= {key for key in ("jitter", "mosaic", "options") if getattr(spec, key) == getattr(plain, key)}
    apart |= {"head"} if spec.head_kind == plain.head_kind else set()
    told = {
        "spec": spec.model_dump(mode="json", exclude=apart),
        "device": device,
        "precision": precision,
        "backbone": [spec.backbone.name, spec.backbone.tune, backbone],
        "data": dataset,
        "features": kind == "features",
        "evaluator": EVALUATOR,
    }
    if spec.backbone.tune != "frozen" and device == "cpu" and precision != "fp32":
        told["depthwise"] = "fp32"  # tuned backbones of before had it in bf16
    if spec.latency_target != "torch":  # left out otherwise: evaluations from before there was a choice keep their key
        told["latency_target"] = spec.latency_target
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _about(dataset: Dataset, labels: str) -> str:
    counts = f"{len(dataset.train)} training and {len(dataset.val)} validation images ({dataset.split})"
    classes = "1 class" if len(dataset.classes) == 1 else f"{len(dataset.classes)} classes"
    return f"data: {counts}, {labels}, {classes}: {_listed(dataset.classes)}"


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:12]) + (f" and {len(classes) - 12} more" if len(classes) > 12 else "")


def _held(dataset: Dataset) -> Dataset:
    """The data set with all its images in memory."""

    def held(split: Split) -> Split:
        return split if split.images is not None else replace(split, images=split.batch(np.arange(len(split))))

    return replace(dataset, train=held(dataset.train), val=held(dataset.val))


def _warmed_up(task: SupervisedTask[Any], say: Say) -> Backbone:
    """Train a backbone that has no weights on the task, under an FPN, so that all trials can share it frozen."""
    epochs = task.spec.backbone.warmup
    with torch.random.fork_rng():
        backbone = Backbone(task.backbone)
    load_state(backbone, weights.tensors(task.state), "the task's backbone")
    say(f"backbone: {task.spec.backbone.name} has no weights; warming it up on the task for {epochs} epochs")
    tuned = task.spec.model_copy(update={"backbone": task.spec.backbone.model_copy(update={"tune": "full"})})
    cached: cache.Cache = "none" if task.cache == "none" else "images"
    device: Device = "cuda" if here(task.device).type == "cuda" else "cpu"
    warm = replace(task, spec=tuned, cache=cached, tuned=_tuned(tuned, backbone), device=device)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = warm.build(warm.architecture(fpn(task.frame.levels, WARM_UP_WIDTH)))
    with intra_op_threads(available_cpus()):
        *_, last = warm.train(model, 0, epochs)
    metric, name = task.quality
    say(f"backbone: warmed up, {name} {last.metrics[metric]:.3f} under an FPN")
    backbone.load_state_dict(model.backbone.state_dict())
    return backbone.eval().requires_grad_(False)
