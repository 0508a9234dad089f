"""A cluster of several nodes whose nodes die and join while a study runs: Ray's own cluster utility, real processes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster as Nodes

import nas
from nas.executors.ray import RayExecutor
from nas.search.objects import FinishedTrial
from nas.storage import open_store
from nas.studies.progress import LaunchProgress
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import Workers
from nas.tasks.base import Task
from tests import searches
from tests.contracts.executor_contract import until_idle
from tests.executors.toys import Context, evaluate, job

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

QUICK_CHECKS = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_timeout_ms": 3000}
"""Ray takes a node for dead within seconds, not within half a minute."""


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A head with room for one worker, which this process has joined."""
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": QUICK_CHECKS}
    nodes = Nodes(initialize_head=True, head_node_args=head)
    try:
        ray.init(address=nodes.address, log_to_driver=False)
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


def on_a_node(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """A toy of two seconds that says on which node it ran."""
    for step in searches.quick(task, job):
        if isinstance(step, Measurement):
            step = step.model_copy(update={"details": {"node": ray.get_runtime_context().get_node_id()}})
        else:
            time.sleep(0.5)
        yield step


def test_a_study_outlives_a_node_and_uses_one_that_joins(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches.install(monkeypatch, on_a_node)
    monkeypatch.setattr("nas.executors.ray.LOOK_SECONDS", 0.5)
    first, second, workers = nodes.add_node(num_cpus=1), [], []

    def change(trial: FinishedTrial) -> None:
        if trial.number == 1:
            nodes.remove_node(first, allow_graceful=False)
        if trial.number == 3:
            second.append(nodes.add_node(num_cpus=2))

    def watch(progress: LaunchProgress) -> None:
        workers.append(progress.workers)

    url = searches.url(tmp_path)
    study = searches.spec(executor="ray", budget={"trials": 9}, keep="all", workers={"gpus": 0})
    result = nas.launch(study, storage=url, callbacks=[change], on_progress=watch, say=lambda line: None)
    assert (result.trials.complete, result.trials.failed, result.trials.running) == (9, 0, 0)
    assert workers[0] == 2
    assert workers[-1] == 3, "one on the head, two on the node that joined"
    with open_store(url, create=False) as store:
        keys = {trial.key for trial in store.trials("small")}
        states = Counter(attempt.state for key in keys for attempt in store.attempts(key))
        ran_on = Counter(store.evaluation(key).measurement.details["node"] for key in keys)  # type: ignore[union-attr]
    assert states["complete"] == 9, "no finished trial was trained again"
    assert states["lost"] <= 1, "the node cost what ran on it"
    assert set(states) <= {"complete", "lost"}
    assert ran_on[second[0].node_id] > 0


def test_images_and_features_reach_a_node_once(nodes: Any, tmp_path: Path) -> None:
    node = nodes.add_node(num_cpus=2)
    context = Context(tmp_path, np.ones(20_000_000, np.uint8))
    with RayExecutor(evaluate, context, Workers(gpus=0)) as executor:
        for number in range(3):
            executor.submit(job(f"looks-{number}"))
        seen = [event.what for event in until_idle(executor)]
        reference = executor._references[1]
        where = ray.experimental.get_object_locations([reference])[reference]
    assert where["node_ids"] == [*dict.fromkeys(where["node_ids"])], "a node has one copy"
    assert set(where["node_ids"]) == {nodes.head_node.node_id, node.node_id}
    assert where["object_size"] < 1.01 * context.images.nbytes
    looks = [step.details for step in seen if isinstance(step, Measurement)]
    assert looks == [{"writeable": False, "owndata": False, "sum": 20_000_000}] * 3, "which its workers share"
