"""train_to_end: the epochs of a training, with checkpoints, a learning curve and lines of progress."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nas.exports.checkpoint import Checkpoint, write_curve
from nas.exports.files import CHECKPOINT
from nas.exports.interruption import Interrupted, interruptible
from nas.models import HeadedModel
from nas.models.cost import cost, intra_op_threads
from nas.necks.architecture import Architecture
from nas.studies.metrics import format_metric
from nas.studies.records import Progress
from nas.studies.spec import available_cpus
from nas.tasks.base import Say
from nas.tasks.continuation import random_states, set_random_states
from nas.tasks.supervised import SupervisedTask
from nas.text import duration

INTERVAL = 60.0
"""Seconds after which a checkpoint is saved and a line reported, even if no metrics were taken."""

MACS_PER_THREAD = 4e9
"""Multiply-accumulates of a forward pass that justify another thread. With fewer, threads wait for each other."""


def thread_count(task: SupervisedTask[Any], architecture: Architecture) -> int:
    """CPU threads for a training on this machine. It depends on settings alone, so that results can be repeated."""
    trained = (p for p in cost(architecture).parts if p.kind != "backbone" or task.cache != "features")
    macs = task.spec.batch_size * sum(p.macs for p in trained)
    return max(1, min(available_cpus(), int(macs / MACS_PER_THREAD)))


def train_to_end(
    task: SupervisedTask[Any],
    model: HeadedModel,
    seed: int,
    settings: dict[str, Any],
    folder: Path,
    begun: Checkpoint | None,
    say: Say,
) -> list[Progress]:
    """Train `model` in place, from the start or from the checkpoint `begun`, and return the whole learning curve.

    A checkpoint is written to `folder` at the start, with every measurement, after INTERVAL and at an interrupt. The
    curve is written after every epoch.

    Raises:
        UserError: the folder cannot be written.
        TrialFailed: the loss is not finite.
        KeyboardInterrupt: the training was interrupted; a checkpoint was written.
    """
    training = task.session(model).training(seed, task.spec.epochs)
    curve: list[Progress] = []
    threads = thread_count(task, model.architecture) if begun is None else begun.threads

    def save() -> None:
        rows = [progress.model_dump() for progress in curve]
        states = model.state_dict(), training.state_dict(), random_states()
        Checkpoint(settings, task.fingerprint, *states, rows, threads).save(folder)

    if begun is None:
        save()
    else:
        curve = [Progress.parse(row) for row in begun.curve]
        model.load_state_dict(begun.model)
        training.load_state_dict(begun.training)
        set_random_states(begun.random)
        say(f"continuing from {folder / CHECKPOINT}: {training.epoch} of {training.epochs} epochs are done")
    saved = reported = started = time.monotonic()
    first = training.epoch
    with intra_op_threads(threads), interruptible(say) as check_interrupt:
        try:
            for progress in training.run(check_interrupt):
                curve.append(progress)
                write_curve(folder, curve)
                now = time.monotonic()
                measured = task.quality[0] in progress.metrics
                if measured or now - reported > INTERVAL:
                    left = (now - started) / (progress.epoch - first) * (progress.epochs - progress.epoch)
                    say(_progress_line(progress, task.quality, left))
                    reported = now
                if measured or now - saved > INTERVAL:
                    save()
                    saved = now
            check_interrupt()  # a signal may come during the last measurement
        except Interrupted:
            save()
            epoch = min(training.epoch + 1, training.epochs)
            say(f"stopped in epoch {epoch} of {training.epochs}; the same command continues from there")
            raise
    return curve


def _progress_line(progress: Progress, quality: tuple[str, str], left: float) -> str:
    metric, name = quality
    facts = f"loss {format_metric('loss', progress.metrics['loss'])}"
    if metric in progress.metrics:
        facts += f", {name} {format_metric(metric, progress.metrics[metric])}"
    end = f"; about {duration(left)} left" if progress.epoch < progress.epochs else ""
    return f"epoch {progress.epoch} of {progress.epochs}: {facts}{end}"
