"""How many workers fit onto the nodes of a cluster, and the GPUs of each: arithmetic, then Ray's own count of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nas.executors.cluster import Cluster
from nas.executors.nodes import nodes_of
from nas.executors.ray import RayExecutor
from nas.executors.room import Node, describe, own_cpus, with_gpus
from nas.executors.room import room as room_on
from nas.studies.spec import Workers, available_cpus
from tests.contracts.executor_contract import until_idle
from tests.executors.toys import Context, evaluate, job


@pytest.mark.parametrize(
    ("node", "workers", "room"),
    [
        ({"CPU": 8}, Workers(gpus=0), 8),
        ({"CPU": 8}, Workers(cpus=3, gpus=0), 2),
        ({"CPU": 1}, Workers(cpus=0.1, gpus=0), 10),
        ({"CPU": 8}, Workers(gpus=1), 0),
        ({"CPU": 8, "GPU": 2}, Workers(gpus=1), 2),
        ({"CPU": 8, "GPU": 2}, Workers(gpus=0.4), 4),
        ({"CPU": 3, "GPU": 2}, Workers(gpus=0.4), 3),
        ({"CPU": 8, "GPU": 4}, Workers(gpus=2), 2),
        ({"CPU": 8, "GPU": 0.5}, Workers(gpus=0.5), 1),
        ({"CPU": 8, "GPU": 1.5}, Workers(gpus=0.5), 3),
        ({"CPU": 8, "GPU": 1.5}, Workers(gpus=1), 1),
        ({}, Workers(gpus=0), 0),
    ],
)
def test_room_on_a_node(node: dict[str, float], workers: Workers, room: int) -> None:
    assert room_on(node, workers) == room


ONE, TWO = {"CPU": 4.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 2.0}
PLAIN = {"CPU": 8.0}


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "workers_in_all"),
    [
        ([PLAIN], Workers(), 0, 8),
        ([], Workers(), 0, 0),
        ([{"CPU": 8.0, "GPU": 0.5}], Workers(), 0, 8),  # others hold half of the only one
        ([ONE], Workers(), 0.25, 4),
        ([ONE], Workers(cpus=2), 0.5, 2),
        ([ONE], Workers(cpus=4), 1, 1),
        ([TWO], Workers(), 0.25, 8),  # four share a GPU at most
        ([{"CPU": 4.0, "GPU": 8.0}], Workers(), 1, 4),
        ([ONE, PLAIN], Workers(), 0.25, 4),  # a node without a GPU gets none of the workers
        ([ONE, TWO], Workers(cpus=4), 0.5, 5),
        ([ONE], Workers(count=1), 1, 1),
        ([ONE], Workers(count=3), 0.3333, 3),
        ([{"CPU": 16.0, "GPU": 1.0}], Workers(count=7), 0.1428, 7),  # 1/7 as Ray counts: 0.1429 fits six times
        ([TWO], Workers(count=3), 0.5, 4),
        ([ONE, {"CPU": 8.0, "GPU": 1.0}], Workers(count=10), 0.1666, 10),
        ([ONE], Workers(gpus=0), 0, 4),
        ([PLAIN], Workers(gpus=1), 1, 0),  # what is asked for stays
    ],
)
def test_the_gpus_of_each_worker(nodes: list[Node], workers: Workers, gpus: float, workers_in_all: int) -> None:
    found = with_gpus(workers, nodes)
    assert found == workers.model_copy(update={"gpus": gpus})
    assert sum(room_on(node, found) for node in nodes) == workers_in_all


def test_this_machines_gpus_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert nodes_of(None, Workers(count=100, cpus=2)) == [{"CPU": 200, "GPU": 2}]
    assert own_cpus(Workers()) == available_cpus()


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        (Workers(gpus=0), "as many as there is room for, each with 1 CPU and no GPU"),
        (Workers(count=3, cpus=2, gpus=0.25), "3, each with 2 CPUs and 0.25 of a GPU"),
        (Workers(count=1, cpus=0.5, gpus=2), "1, each with 0.5 CPUs and 2 GPUs"),
        (Workers(count=1, gpus=1), "1, each with 1 CPU and 1 GPU"),
    ],
)
def test_a_dry_run_says_what_was_chosen(workers: Workers, words: str) -> None:
    assert describe(workers) == words


@pytest.fixture
def three_gpus() -> Iterator[Any]:
    """A cluster of two nodes that pretend to have GPUs, which this process has joined."""
    import ray
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=2, num_gpus=2)
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


@pytest.mark.ray
def test_ray_gives_each_worker_its_share(three_gpus: Any, context: Context) -> None:
    assert sum(node.get("GPU", 0) for node in nodes_of(None, Workers())) == 3
    with RayExecutor(evaluate, context, Workers()) as executor:
        assert executor.capacity == 4, "two on each node, with half a GPU or more each"
        for number in range(executor.capacity):
            executor.submit(job(f"steady-{number}"))
        assert len({event.worker for event in until_idle(executor)}) == 4
    assert Cluster(None, Workers(), None).with_gpus(Workers(count=3)) == Workers(count=3, gpus=1)


def test_a_real_gpu_is_found_and_shared() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    (node,) = nodes_of(None, Workers())
    assert node["GPU"] >= 1
    gpus = with_gpus(Workers(count=2), [node]).gpus
    assert gpus != "auto"
    assert gpus >= 0.5
