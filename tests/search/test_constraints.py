"""Constraints: what is broken, and what no neck can meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from nas.errors import SpecError
from nas.models.cost import static_costs
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.search.constraints import broken, check_latency, check_reachable, excess
from nas.studies.catalog import read_space
from nas.studies.metrics import Metrics
from nas.tasks.detection import DetectionTask
from tests.tasks.tiny import prepared

FRAME = Frame(channels={3: 64, 4: 128, 5: 256}, image_size=64)
SPACE = read_space("pyramid").narrowed({"width": [16, 32, 64]})


@pytest.fixture(scope="module")
def task() -> DetectionTask:
    return prepared()


def test_excess_is_a_part_of_the_bound() -> None:
    metrics = {"params": 150.0, "macs": 80.0, "latency_ms": None}
    bounds = {"params": 100.0, "macs": 100.0, "latency_ms": 5.0, "neck_params": 9.0}
    assert excess(metrics, bounds) == pytest.approx({"params": 0.5, "macs": -0.2})
    assert broken(metrics, bounds) == pytest.approx({"params": 0.5})
    assert broken({"params": 100.0}, bounds) == {}


def least(task: DetectionTask) -> float:
    """The fewest parameters of any neck, by looking at all that differ in what the border takes for granted."""
    some = {"upsample": ["nearest", "deconv"], "fusion": ["add", "concat"], "act": "none", "repeats": [1, 2]}
    narrow = SPACE.narrowed({"width": 16, "widths": "shared", "conv": "separable"} | some)
    found = [static_costs(task.architecture(neck))["neck_params"] for _, neck in narrow.proposals(task.frame)]
    return min(x for x in found if x is not None)


@pytest.mark.slow
def test_the_least_of_a_space_is_the_border(task: DetectionTask) -> None:
    few = SPACE.narrowed({"upsample": ["nearest", "deconv"], "fusion": ["concat", "add"]})

    def costs(neck: NeckSpec) -> Metrics:
        return static_costs(task.architecture(neck))

    border = least(task)
    check_reachable(few, task.frame, {"neck_params": border}, costs)
    said = rf"^constraints\.neck_params: no neck of the space meets {border - 1:,.0f}; the least is {border:,.0f}$"
    with pytest.raises(SpecError, match=said):
        check_reachable(few, task.frame, {"neck_params": border - 1}, costs)


def by_nodes(neck: NeckSpec) -> Metrics:
    """Costs that rise with the nodes and the width; macs fall with the nodes."""
    size = len(neck.nodes) * neck.nodes[0].width
    return {"params": 10.0 * size, "macs": 10_000.0 / size}


def test_what_no_neck_meets_is_said_with_the_least() -> None:
    check_reachable(SPACE, FRAME, {"params": 1e6, "macs": 1e6}, by_nodes)
    with pytest.raises(SpecError) as error:
        check_reachable(SPACE, FRAME, {"params": 1.0, "macs": 1.0}, by_nodes)
    assert [fault.path for fault in error.value.faults] == ["constraints.params", "constraints.macs"]
    assert all("no neck of the space meets 1; the least is" in f.message for f in error.value.faults)


def test_bounds_that_only_together_cannot_be_met() -> None:
    # params at most 700 needs size 70, macs at most 100 size 100.
    said = r"^constraints: no neck of the space was found that meets params, macs together$"
    with pytest.raises(SpecError, match=said):
        check_reachable(SPACE, FRAME, {"params": 700.0, "macs": 100.0}, by_nodes)


def test_activation_bytes_are_looked_for_in_all_fusions() -> None:
    """A gate can need fewer than a sum; parameters and MACs it never takes fewer of."""

    def gates_are_small(neck: NeckSpec) -> Metrics:
        return {"activation_bytes": 1.0 if any(node.fuse == "concat" for node in neck.nodes) else 9.0}

    few = SPACE.narrowed({"upsample": "nearest", "act": "none", "fusion": ["add", "concat"]})
    check_reachable(few, FRAME, {"activation_bytes": 5.0}, gates_are_small)


def test_without_static_bounds_nothing_is_counted() -> None:
    def never(neck: NeckSpec) -> Metrics:
        raise AssertionError

    check_reachable(SPACE, FRAME, {}, never)
    check_reachable(SPACE, FRAME, {"latency_ms": 1e-9}, never)


def test_the_first_neck_that_fits_is_enough() -> None:
    counted = []

    def costs(neck: NeckSpec) -> Metrics:
        counted.append(neck)
        return {"params": 1.0}

    check_reachable(SPACE, FRAME, {"params": 1.0}, costs)
    assert len(counted) == 1


def test_a_latency_below_the_backbones_own_is_refused(task: DetectionTask) -> None:
    check_latency(SPACE, task, 1e6)
    said = r"^constraints\.latency_ms: no neck can meet 1e-06 ms: the backbone alone, up to P4, takes \d+\.\d ms here$"
    with pytest.raises(SpecError, match=said):
        check_latency(SPACE, task, 1e-6)


def test_the_backbone_is_timed_alone_on_the_tasks_device(task: DetectionTask, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = []

    @contextmanager
    def spy(self: MeasurementLock) -> Iterator[None]:
        alone.append(True)
        yield

    monkeypatch.setattr(MeasurementLock, "exclusive", spy)
    check_latency(SPACE, task, 1e6)
    assert alone == [True]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    check_latency(SPACE, replace(task, device="cuda"), 1e-6)  # a GPU that is not here cannot be timed
    assert alone == [True]
