"""Setting a study up: the task is prepared for the workers, whatever this process has."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nas.errors import SpecError
from nas.search import setup
from nas.studies.spec import StudySpec
from tests import searches
from tests.tasks import tiny


def asked(monkeypatch: pytest.MonkeyPatch, device: str = "auto", **changes: Any) -> str:
    """The device for which a study's task is prepared, on a machine that has a GPU."""
    devices: list[str] = []

    def load(task: Any, *_: Any, **__: Any) -> None:
        devices.append(task.device)
        raise InterruptedError

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(setup.tasks, "load", load)
    with pytest.raises(InterruptedError):
        setup.set_up(StudySpec.parse({"task": tiny.spec(device=device).to_dict()} | changes), lambda line: None)
    return devices[0]


def test_the_device_is_that_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch) == "cpu"
    assert asked(monkeypatch, workers={"gpus": 0.5}) == "cuda"
    assert asked(monkeypatch, workers={"gpus": 1}, device="cpu") == "cpu"
    assert asked(monkeypatch, executor="local") == "auto"


def test_workers_get_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert asked(monkeypatch) == "cuda"
    assert asked(monkeypatch, workers={"gpus": 0}) == "cpu"
    assert asked(monkeypatch, device="cpu") == "cpu"


def test_a_task_for_gpus_is_refused_where_the_cluster_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "nodes_of", lambda address, workers: [{"CPU": 8.0}])
    with pytest.raises(SpecError, match=r"task\.device: no machine of the workers has a GPU: take cpu or auto"):
        asked(monkeypatch, device="cuda", address="head:6379")


@pytest.mark.parametrize(("address", "timed"), [(None, True), ("ray://elsewhere:10001", False)])
def test_this_machine_is_not_timed_for_a_cluster(
    address: str | None, timed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []
    monkeypatch.setattr(setup, "check_latency", lambda space, task, bound: calls.append(bound))
    spec = StudySpec.parse(
        {"task": tiny.spec().to_dict(), "constraints": {"latency_ms": 1e6}, "address": address, "baselines": ["fpn"]}
        | {"workers": {"gpus": 0}}
    )
    setup.set_up(spec, lambda line: None, tiny.weights())
    assert calls == ([1e6] if timed else [])


@pytest.mark.parametrize(
    ("changes", "trials"),
    [
        ({"executor": "local"}, 36.0),
        ({"workers": {"count": 3, "gpus": 0}}, 12.0),
        ({"workers": {"cpus": 2, "gpus": 0}}, 9.0),
        ({"workers": {"gpus": 0.5}}, 18.0),
        ({"address": "head:6379"}, None),
    ],
)
def test_a_plan_counts_the_workers_that_there_is_room_for(
    changes: dict[str, Any], trials: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight cores and a GPU; a cluster's room may change."""
    searches.install(monkeypatch)
    monkeypatch.setattr(setup, "nodes_of", lambda address, workers: [{"CPU": 8.0, "GPU": 1.0}])
    spec = searches.spec(**({"executor": "ray", "task": searches.TASK | {"epochs": 3}} | changes))
    planned = setup.set_up(spec, lambda line: None).with_pace(recorded=2.0)
    assert planned.outlay_seconds == ({"trials": trials, "promotions": 0, "finalists": 0} if trials else None)
