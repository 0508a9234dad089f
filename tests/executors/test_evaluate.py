"""evaluate: what every executor runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from nas.errors import TrialFailed
from nas.executors.evaluate import evaluate, machine
from nas.models.cost import Latency, static_costs
from nas.necks.architecture import Architecture
from nas.necks.canonical import canonical
from nas.necks.topologies import fpn, panet
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.cache import to_tensor
from nas.tasks.coco_metrics import evaluate as evaluate_boxes
from nas.tasks.detection import DetectionTask
from nas.tasks.weights import unpacked
from tests.tasks.tiny import prepared

KNOWN = {"params": 1.0, "macs": 2.0, "neck_params": 3.0, "neck_macs": 4.0, "latency_ms": 5.0}
"""Costs that are not measured again."""


@pytest.fixture(scope="module")
def task() -> DetectionTask:
    return prepared()


def job(task: DetectionTask, seed: int = 0, epochs: int = 2, **options: Any) -> Job:
    architecture = options.pop("architecture", None) or task.architecture(fpn(task.frame.levels, 8))
    return Job(id="1", architecture=architecture, seed=seed, epochs=epochs, **options)


def run(task: DetectionTask, job: Job) -> tuple[list[Progress], Measurement]:
    *progress, measurement = evaluate(task, job)
    assert isinstance(measurement, Measurement)
    return progress, measurement


def test_costs_come_first_then_the_epochs_then_the_measurement(task: DetectionTask) -> None:
    progress, measurement = run(task, job(task))
    costs, *epochs = progress
    assert costs.epoch == 0
    assert set(costs.metrics) == {"params", "macs", "neck_params", "neck_macs", "activation_bytes", "latency_ms"}
    static = static_costs(job(task).architecture)
    assert static.items() <= costs.metrics.items()
    assert costs.metrics["latency_ms"] > 0
    assert [(p.epoch, p.epochs) for p in epochs] == [(1, 2), (2, 2)]
    assert all("loss" in p.metrics for p in epochs)
    assert set(measurement.metrics) == set(costs.metrics) | task.available | {"seconds"}
    assert measurement.metrics["ap"] == epochs[-1].metrics["ap"]
    assert measurement.metrics["seconds"] == measurement.seconds >= epochs[-1].seconds
    assert [p.seconds for p in progress] == sorted(p.seconds for p in progress)


def test_the_latency_is_of_the_tasks_target(task: DetectionTask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(model: object, reference: object, *, target: str, **_: object) -> Latency:
        asked.append(target)
        return Latency(1.5, 1.4, 1.6, 10, 2.5)

    monkeypatch.setattr("nas.executors.evaluate.latency", spy)
    monkeypatch.setattr("nas.executors.evaluate.prepare", lambda model, target, images: asked.append(target))
    other = replace(task, spec=task.spec.model_copy(update={"latency_target": "onnxruntime"}))
    _, measurement = run(other, job(other))
    assert asked == ["onnxruntime"] * 2  # the reference and the model
    assert measurement.metrics["latency_ms"] == 1.5
    assert measurement.details["latency"]["target"] == "onnxruntime"


def test_the_details_name_what_the_numbers_depend_on(task: DetectionTask) -> None:
    _, measurement = run(task, job(task))
    details = measurement.details
    assert details["latency"]["reference"] == "fpn"
    assert details["latency"]["target"] == "torch"
    assert 10 <= details["latency"]["runs"] <= 30
    low, high = details["latency"]["interval_ms"]
    assert low <= round(measurement.metrics["latency_ms"], 3) <= high
    assert details["latency"]["reference_ms"] > 0
    assert {"small", "medium", "large"} == set(details["area_ranges"])
    assert details["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert machine("cpu").items() <= details.items()
    assert details["device"] == "cpu"
    assert details["precision"] == task.precision


def test_known_costs_are_not_measured_again(task: DetectionTask, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError

    monkeypatch.setattr("nas.executors.evaluate.latency", never)
    monkeypatch.setattr("nas.executors.evaluate.static_costs", never)
    progress, measurement = run(task, job(task, known=KNOWN))
    assert progress[0].metrics == KNOWN
    assert KNOWN.items() <= measurement.metrics.items()
    assert "latency" not in measurement.details


def test_static_costs_alone_leave_the_latency_to_be_measured(task: DetectionTask) -> None:
    known = {name: value for name, value in KNOWN.items() if name != "latency_ms"}
    progress = next(evaluate(task, job(task, known=known)))
    assert isinstance(progress, Progress)
    assert known.items() <= progress.metrics.items()
    assert progress.metrics["latency_ms"] > 0


def numbers(task: DetectionTask, job: Job) -> tuple[list[dict[str, Any]], dict[str, Any], bytes | None]:
    """All that repeats: not the time."""
    progress, measurement = run(task, job)
    measured = {name: x for name, x in measurement.metrics.items() if name not in ("seconds", "latency_ms")}
    return [dict(p.metrics) for p in progress[1:]], measured, measurement.weights


def test_the_same_job_gives_the_same_numbers_and_weights(task: DetectionTask) -> None:
    first = numbers(task, job(task))
    torch.rand(5)
    assert numbers(task, job(task, known=KNOWN))[0] == first[0]
    assert numbers(task, job(task, attempt=2)) == first
    assert numbers(task, job(task, seed=1))[0] != first[0]


def test_every_encoding_of_a_neck_gives_the_same_numbers(task: DetectionTask) -> None:
    architecture = task.architecture(panet(task.frame.levels, 8))
    rewritten = architecture.model_copy(update={"neck": canonical(architecture.neck)})
    assert rewritten != architecture
    assert rewritten.digest == architecture.digest
    one, two = (numbers(task, job(task, architecture=a)) for a in (architecture, rewritten))
    assert one == two


def test_the_weights_are_those_that_were_measured() -> None:
    task = prepared(cache="images")
    _, measurement = run(task, job(task, known=KNOWN))
    assert measurement.weights is not None
    model = task.build(job(task).architecture).eval()
    missing, unexpected = model.load_state_dict(unpacked(measurement.weights), strict=False)
    assert unexpected == []
    assert {name.partition(".")[0] for name in missing} == {"backbone"}
    val = task.dataset.val
    with torch.inference_mode():
        found = model.detect(model.raw(to_tensor(val.batch(range(len(val))), torch.device("cpu"))))
    metrics = evaluate_boxes(val, [tuple(x.numpy() for x in d) for d in found], task.dataset.classes)
    assert metrics.items() <= measurement.metrics.items()


def test_the_random_state_of_the_process_is_left_alone(task: DetectionTask) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    run(task, job(task, known=KNOWN))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_metric_of_the_end_that_is_missing_fails_the_trial(task: DetectionTask) -> None:
    class Forgetful(DetectionTask):
        def train(self, model: torch.nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
            yield Progress(epoch=1, epochs=1, seconds=0, metrics={"loss": 1.0, "ap": 0.5})

    forgetful = Forgetful(**vars(task))
    with pytest.raises(TrialFailed, match=r"^no ap\w+ was measured$"):
        list(evaluate(forgetful, job(task, known=KNOWN, epochs=1)))
    modest = replace(forgetful, available=frozenset({"ap"}))
    assert run(modest, job(task, known=KNOWN, epochs=1))[1].metrics["ap"] == 0.5


def test_a_run_that_blows_up_fails_the_trial() -> None:
    wild = prepared(lr=1e30)
    with pytest.raises(TrialFailed, match="the loss became"):
        run(wild, job(wild, known=KNOWN, epochs=4))


def test_closing_early_ends_the_evaluation(task: DetectionTask) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    evaluation = evaluate(task, job(task, known=KNOWN))
    next(evaluation)
    next(evaluation)
    evaluation.close()
    assert list(evaluation) == []
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_reference_is_an_fpn_on_the_same_backbone(task: DetectionTask, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Architecture] = []
    build = task.build
    monkeypatch.setattr(DetectionTask, "build", lambda _, asked: built.append(asked) or build(asked))
    fresh = replace(task)
    for _ in range(2):
        next(evaluate(fresh, job(task, known={"params": 1.0})))
    assert built[1].neck == fpn(task.frame.levels, 64)
    assert built[1].backbone == task.architecture(fpn(task.frame.levels, 8)).backbone
    assert len(built) == 3  # the reference is made ready once a process


def test_a_job_that_does_not_ask_for_the_latency_is_not_timed(
    task: DetectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.executors.evaluate.latency", lambda *_, **__: pytest.fail("it was timed"))
    progress, measurement = run(task, job(task, timed=False))
    assert "latency_ms" not in progress[0].metrics
    assert "latency_ms" not in measurement.metrics
    assert measurement.details["lost"]["timing"] == 0


def test_the_worker_time_that_timing_took_is_recorded(task: DetectionTask) -> None:
    _, measurement = run(task, job(task))
    lost = measurement.details["lost"]
    assert 0 < lost["timing"] == measurement.details["latency"]["seconds"] < measurement.seconds
    assert lost["waiting"] >= 0


def test_a_job_with_weights_trains_nothing_and_measures_what_is_asked(task: DetectionTask) -> None:
    _, trained = run(task, job(task, timed=False))
    known = dict(trained.metrics)
    progress, measurement = run(task, job(task, known=known, weights=trained.weights))
    assert [p.epoch for p in progress] == [0]
    assert measurement.metrics["latency_ms"] > 0
    assert measurement.metrics["ap"] == trained.metrics["ap"]
    assert measurement.weights is None


@pytest.mark.slow
def test_int8_is_measured_on_the_validation_images_beside_fp32(task: DetectionTask) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    quantizable = prepared(cache="images").calibrated()
    asked = {"timed": False, "metrics": ("ap_int8", "ap_int8_drop")}
    _, measurement = run(quantizable, job(quantizable, **asked))
    found = measurement.metrics
    assert 0 <= found["ap_int8"] <= 1
    assert found["ap_int8_drop"] == found["ap"] - found["ap_int8"]
    alone = {name: value for name, value in found.items() if not name.startswith("ap_int8")}
    _, again = run(quantizable, job(quantizable, known=alone, weights=measurement.weights, **asked))
    assert again.metrics["ap_int8"] == found["ap_int8"]
