"""carry_on: the epochs of a training, with checkpoints, a learning curve and a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.exports.checkpoint import CHECKPOINT, Checkpoint, write_curve
from nas.exports.interruption import Interrupted, interruptible
from nas.models import HeadedModel
from nas.models.cost import cost, intra_op_threads
from nas.necks.architecture import Architecture
from nas.studies.metrics import format_metric
from nas.studies.records import Progress
from nas.studies.spec import available_cpus
from nas.tasks.continuation import random_states, set_random_states
from nas.tasks.supervised import SupervisedTask
from nas.text import duration

EVERY_SECONDS = 60.0
"""Seconds after which a checkpoint is due, and a line about how far it is, though no metrics were taken."""

MACS_A_THREAD = 4e9
"""Multiply-accumulates of a step's forward pass that are worth a thread: of less, threads wait for each other."""

Say = Callable[[str], None]


def threads(task: SupervisedTask[Any], architecture: Architecture) -> int:
    """Threads for a training on this machine's CPU; a matter of its settings, so that it gives the same twice."""
    trained = (p for p in cost(architecture).parts if p.kind != "backbone" or task.cache != "features")
    return max(1, min(available_cpus(), int(task.spec.batch_size * sum(p.macs for p in trained) / MACS_A_THREAD)))


def carry_on(
    task: SupervisedTask[Any],
    model: HeadedModel,
    seed: int,
    settings: dict[str, Any],
    folder: Path,
    begun: Checkpoint | None,
    say: Say,
) -> list[Progress]:
    """Train `model` in place to the last epoch, from its start or from where it was left; gives the whole curve.

    A checkpoint is written to `folder` at the start, whenever metrics were taken, after EVERY_SECONDS and at an
    interrupt; the curve after every epoch.

    Raises:
        UserError: the folder cannot be written.
        TrialFailed: the loss is not finite.
        KeyboardInterrupt: the training was interrupted; the checkpoint is there.
    """
    training = task.session(model).training(seed, task.spec.epochs)
    curve: list[Progress] = []
    count = threads(task, model.architecture) if begun is None else begun.threads
    if begun is not None:
        curve = [Progress.parse(progress) for progress in begun.curve]
        model.load_state_dict(begun.model)
        training.load_state_dict(begun.training)
        set_random_states(begun.random)
        say(f"going on from {folder / CHECKPOINT}: {training.epoch} of {training.epochs} epochs are done")

    def save() -> None:
        told = [progress.model_dump() for progress in curve]
        state = model.state_dict()
        running = training.state_dict()
        Checkpoint(settings, task.fingerprint, state, running, random_states(), told, count).save(folder)

    if begun is None:
        save()
    saved = told = started = time.monotonic()
    first = training.epoch
    with intra_op_threads(count), interruptible(say) as interruption:
        try:
            for progress in training.run(interruption):
                curve.append(progress)
                write_curve(folder, curve)
                now = time.monotonic()
                measured = task.quality[0] in progress.metrics
                if measured or now - told > EVERY_SECONDS:
                    left = (now - started) / (progress.epoch - first) * (progress.epochs - progress.epoch)
                    say(_line(progress, task.quality, left))
                    told = now
                if measured or now - saved > EVERY_SECONDS:
                    save()
                    saved = now
            interruption()  # a signal during the last measuring
        except Interrupted:
            save()
            where = min(training.epoch + 1, training.epochs)
            say(f"left in epoch {where} of {training.epochs}; the same command goes on from there")
            raise
    return curve


def _line(progress: Progress, quality: tuple[str, str], left: float) -> str:
    metric, name = quality
    found = f"loss {format_metric('loss', progress.metrics['loss'])}"
    if metric in progress.metrics:
        found += f", {name} {format_metric(metric, progress.metrics[metric])}"
    end = f"; about {duration(left)} left" if progress.epoch < progress.epochs else ""
    return f"epoch {progress.epoch} of {progress.epochs}: {found}{end}"
