"""Latencies on each target."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from nas.device import runner
from nas.device.runner import median_interval
from nas.errors import UserError
from nas.models.cost import TARGETS, graph, intra_op_threads, latency, quantized, session, target_fault, targets
from nas.models.detector import Detector
from nas.models.pyramid import Pyramid
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.spec import NeckSpec
from nas.necks.topologies import bifpn, fpn, seed_fpn
from nas.studies.spec import TaskSpec

SIZE = 64
BODY = BackboneSpec(levels=(3, 4), widths=(4, 6, 8, 16))


def detector(width: int) -> Detector:
    neck = fpn((3, 4), width)
    return Detector(Architecture(backbone=BODY, neck=neck, head=HeadSpec(classes=("a",)), image_size=SIZE))


def test_latency_is_a_median_with_a_reference_beside() -> None:
    small, large = detector(8).train(), detector(256).eval()
    found = latency(small, large, runs=5)
    assert 0 < found.model < found.reference
    assert small.training
    assert not large.training
    alone = latency(small, runs=3)
    assert alone.model == alone.reference


def test_only_the_timed_passes_hold_the_lock() -> None:
    model, seen = detector(8), []

    @contextmanager
    def lock() -> Iterator[None]:
        seen.append("opened")
        handle = model.backbone.register_forward_hook(lambda *_: seen.append("pass"))
        yield
        handle.remove()
        seen.append("closed")

    latency(model, runs=2, quiet=lock())
    assert seen == ["opened", *["pass"] * 5, "closed"]


def test_a_model_is_made_ready_before_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def prepared(*given: Any) -> targets.Prepared:
        seen.append("prepare")
        return targets.prepare(*given)

    @contextmanager
    def lock(name: str) -> Iterator[None]:
        seen.append(name)
        yield
        seen.append(f"{name} ended")

    monkeypatch.setattr(import_module("nas.models.cost.latency"), "prepare", prepared)
    latency(detector(8), runs=2, busy=lock("busy"), quiet=lock("quiet"))
    assert seen == ["busy", "prepare", "busy ended", "quiet", "quiet ended"]


def test_a_study_may_ask_for_every_target() -> None:
    known = {"kind": "detection", "data": {"kind": "digits"}}
    assert [TaskSpec.parse(known | {"latency_target": t}).latency_target for t in TARGETS] == list(TARGETS)


def test_one_thread_inside_and_as_before_after() -> None:
    before = torch.get_num_threads()
    with intra_op_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_what_is_not_installed_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert target_fault("torch") is None
    monkeypatch.setattr(graph, "find_spec", lambda name: None if name == "onnxscript" else object())
    said = "onnxruntime needs onnxscript: pip install 'pyramid-nas[onnx]'"
    assert target_fault("onnxruntime") == said
    with pytest.raises(UserError) as caught:
        latency(detector(8), target="onnxruntime")
    assert str(caught.value) == said


def test_a_model_that_is_no_graph_is_no_session() -> None:
    given = detector(8).architecture
    assert given.head is not None
    model = Detector(given.model_copy(update={"head": given.head.model_copy(update={"kind": "faster_rcnn"})}))
    with pytest.raises(UserError, match="cannot be exported as a graph"):
        latency(model, target="onnxruntime")
    assert latency(model, runs=3).model > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("neck", [bifpn((3, 4), 8, repeats=1), seed_fpn((3, 4), 8)], ids=["a pyramid", "one map"])
def test_the_session_computes_what_the_model_does(neck: NeckSpec, target: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip(target)
    body = BODY.model_copy(update={"widths": (4, 6, 8, 8)})
    model = Pyramid(Architecture(backbone=body, neck=neck, image_size=SIZE)).eval()
    image = torch.rand(1, 3, SIZE, SIZE)
    found = session(model, target)(image.numpy())
    with torch.inference_mode():
        outputs = model(image)
    maps = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs.values())
    assert len(found) == len(maps)
    for a, b in zip(found, maps, strict=True):
        torch.testing.assert_close(torch.from_numpy(a), b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnxruntime-int8", "openvino-int8"])
def test_int8_computes_nearly_what_the_model_does_and_holds_int8(target: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip(target.partition("-")[0])
    pytest.importorskip("nncf" if target.startswith("openvino") else "onnx")
    model = Pyramid(Architecture(backbone=BODY, neck=fpn((3, 4), 8), image_size=SIZE)).eval()
    images = np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
    image = torch.from_numpy(images[:1].transpose(0, 3, 1, 2).copy()).float() / 255
    with torch.inference_mode():
        expected = list(model(image).values())
    for found, true in zip(session(model, target, images)(image.numpy()), expected, strict=True):
        error = float((torch.from_numpy(found) - true).abs().max() / true.abs().max())
        assert 0 < error < 0.2  # 0 would be fp32


@pytest.mark.slow
def test_a_quantized_detector_has_the_form_of_its_outputs() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = detector(8).eval()
    batch = torch.rand(3, 3, SIZE, SIZE)
    with torch.inference_mode():
        expected = model.raw(batch)
    found = quantized(model, None)(batch)
    assert type(found) is type(expected)
    assert [x.shape for x in found] == [x.shape for x in expected]
    assert len(model.detect(found)) == 3


@pytest.mark.slow
def test_a_detector_is_timed_on_onnxruntime_and_left_as_it_was() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = detector(8).train()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    assert latency(model, runs=3, target="onnxruntime").model > 0
    assert model.training
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())


def test_a_steady_model_is_timed_in_few_passes_and_an_unsteady_one_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([2.0] * 54)
    monkeypatch.setattr(runner, "milliseconds", lambda run_pass: next(times))
    model, beside = detector(8), detector(8)
    assert latency(model, beside, least=10) == (2.0, 2.0, 2.0, 10, 2.0)
    assert latency(model, beside).runs == 30
    assert list(times) == []  # 10 and 4 of the reference, 30 and 10
    unsteady = itertools.cycle([2.0, 2.5, 3.0, 3.5])
    monkeypatch.setattr(runner, "milliseconds", lambda run_pass: next(unsteady))
    assert latency(model, least=10).runs == 30


def test_the_interval_of_a_median_holds_it_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    for runs in (10, 20, 30):
        drawn = [median_interval(list(rng.lognormal(size=runs))) for _ in range(2000)]
        assert 0.94 <= np.mean([low <= 1.0 <= high for low, high in drawn]) <= 0.985
