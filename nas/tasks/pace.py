"""How long an epoch takes here, from a few steps on a few images: what a plan tells before anything is trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import torch

from nas.models.cost import intra_op_threads
from nas.necks.spec import NeckSpec
from nas.tasks.cache import empty_maps
from nas.tasks.data import Split
from nas.tasks.device import Device, local_device
from nas.tasks.supervised import SupervisedTask
from nas.tasks.training import milestones, one_step, order

_IMAGES = 8
"""Images of the sample, unless a batch has more."""

_STEPS, _SECONDS = 8, 3.0
"""Steps that are timed, and the time after which no further one begins."""


def epoch_seconds(task: SupervisedTask[Any], neck: NeckSpec, threads: int) -> float | None:
    """Seconds of an epoch with a neck, its share of the validation included, for a worker with so many threads.

    None where the device of the training is not in this machine.
    """
    if task.device == "cuda" and local_device(task.device).type != "cuda":
        return None
    spec, few = task.spec, _sample(task)
    with torch.random.fork_rng(), intra_op_threads(threads):
        session = few.session(few.build(few.architecture(neck)))
        training = session.training(seed=0, epochs=1)
        images = len(few.dataset.train)
        batches = (index for epoch in count() for index in order(images, 1, spec.batch_size, 0, epoch))

        def step() -> None:
            one_step(session.loss, next(batches), training.parameters, training.optimizer)

        step()  # the first one allocates
        taken: list[float] = []
        while len(taken) < _STEPS and sum(taken) < _SECONDS:
            taken.append(_seconds(task.device, step))
        validation = _seconds(task.device, session.outcomes) / len(few.dataset.val)
    measured = len(milestones(spec.epochs)) / spec.epochs
    images = len(task.dataset.train)
    return float(np.median(taken)) * (images // min(spec.batch_size, images)) + (
        validation * len(task.dataset.val) * measured
    )


def _sample(task: SupervisedTask[Any]) -> SupervisedTask[Any]:
    """The task with one view of a few images. Features that are still to be cached are zeros: they take as long."""
    if task.train_maps is not None:
        return task
    dataset, spec = task.dataset, task.spec.model_copy(update={"views": 1})
    train, val = _first(dataset.train, max(_IMAGES, spec.batch_size)), _first(dataset.val, _IMAGES)
    few = replace(task, spec=spec, dataset=replace(dataset, train=train, val=val, test=None))
    if task.cache != "features":
        return few
    pixels = train.batch(range(len(train)))
    targets = few.collate([few.view(i, pixels[i], 0)[1] for i in range(len(train))])
    maps = [{k: np.zeros_like(x) for k, x in empty_maps(task.frame, len(part)).items()} for part in (train, val)]
    return replace(few, targets=targets, train_maps=maps[0], val_maps=maps[1])


def _first(split: Split, most: int) -> Split:
    return split.part(np.arange(min(most, len(split))))


def _seconds(device: Device, work: Callable[[], object]) -> float:
    """Seconds that the work takes where nothing else runs: what other programs take of the processor is left out."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    own = time.process_time() - cpu
    return min(time.perf_counter() - wall, own) if device == "cpu" else time.perf_counter() - wall
