"""The pace that a plan tells is that of a training."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from nas import tasks
from nas.necks.topologies import fpn
from tests.tasks.tiny import spec, trained, weights


@pytest.mark.parametrize("kind", ["detection", "segmentation"])
@pytest.mark.parametrize("cache", ["features", "images", "none"])
def test_an_epoch_takes_about_what_was_told(kind: str, cache: str) -> None:
    task: Any = tasks.prepare(spec(kind=kind, cache=cache, data={"train": 96}), lambda line: None, weights())
    told = tasks.epoch_seconds(task, fpn(task.frame.levels, 8), torch.get_num_threads())
    filled = task.filled(lambda line: None)
    trained(filled, epochs=1)  # the first one warms up
    started = time.process_time()
    trained(filled, epochs=2)
    taken = (time.process_time() - started) / 2
    # Both are rough where other programs run; a wrong unit or a forgotten factor is far outside.
    assert told is not None
    assert taken / 6 < told < 6 * taken


def test_the_pace_of_a_long_study_counts_few_validations() -> None:
    """Metrics are measured twice an octave, not after each epoch."""
    short, long = (
        tasks.prepare(spec(epochs=epochs, data={"val": 400}), lambda line: None, weights()) for epochs in (4, 256)
    )
    neck = fpn(short.frame.levels, 8)
    told = [tasks.epoch_seconds(task, neck, 1) for task in (short, long)]
    assert told[0] is not None
    assert told[1] is not None
    assert told[1] < told[0] * 1.5


def test_a_gpu_that_is_not_here_has_no_pace() -> None:
    from dataclasses import replace

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    task: Any = tasks.prepare(spec(), lambda line: None, weights())
    assert tasks.epoch_seconds(replace(task, device="cuda"), fpn(task.frame.levels, 8), 1) is None
