from __future__ import annotations

import pytest

from nas.exports import loop
from nas.models.cost import cost
from nas.necks.topologies import fpn
from tests.tasks import tiny


@pytest.mark.parametrize("cache", ["features", "images"])
def test_threads_follow_the_macs_of_a_step(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny.prepared(cache=cache)
    architecture = task.architecture(fpn((3, 4), 8))
    parts = cost(architecture).parts
    macs = sum(p.macs for p in parts if p.kind != "backbone" or cache == "images") * task.spec.batch_size
    monkeypatch.setattr(loop, "available_cpus", lambda: 8)
    for worth, threads in ((2 * macs, 1), (macs / 3.5, 3), (macs / 100, 8)):
        monkeypatch.setattr(loop, "MACS_PER_THREAD", worth)
        assert loop.thread_count(task, architecture) == threads
