"""The predictor of latencies: what it adds up, what it learns, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from nas.models import build_with_head
from nas.models.blocks import ConvNormAct
from nas.models.cost import predictor
from nas.models.cost.predictor import ENOUGH, Predictor
from nas.models.cost.static import Operation, contiguous, operations
from nas.models.repvgg import RepConv
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.spec import ConvSpec
from nas.necks.topologies import bifpn, fpn, panet

BODY = BackboneSpec(levels=(3, 4), widths=(4, 6, 8, 16))


def detector(width: int, topology: str = "fpn") -> Architecture:
    make = {"fpn": fpn, "panet": panet, "bifpn": bifpn}[topology]
    return Architecture(
        backbone=BODY, neck=make((3, 4), width), head=HeadSpec(classes=("a",), kind="fcos"), image_size=64
    )


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every operation takes a millisecond; returns the names of those that were measured."""
    measured: list[str] = []

    def one(self: Predictor, operation: Operation) -> float:
        measured.append(operation.name)
        return 1.0

    monkeypatch.setattr(Predictor, "_measure", one)
    return measured


@pytest.mark.parametrize("topology", ["fpn", "panet", "bifpn"])
def test_the_operations_are_those_that_the_model_runs(topology: str) -> None:
    """Built one by one, they have the parameters of neck, adaptors and head together."""
    architecture = detector(8, topology)
    model = build_with_head(architecture)
    found = sum(p.numel() for operation in operations(architecture) for p in operation.build().parameters())
    parts = (model.neck, model.adapt, model.head)
    assert found == sum(p.numel() for part in parts for p in part.parameters())


def test_each_operation_is_measured_once(costs: list[str]) -> None:
    table: dict[str, float] = {}
    first = Predictor("torch", table=table)
    assert first.summed(detector(8)) == len(operations(detector(8))) + 1  # the backbone
    assert sum(name.startswith("backbone") for name in costs) == 1
    assert len(set(costs)) == len(costs) == len(table)
    first.summed(detector(8))
    Predictor("torch", table=table).summed(detector(8))
    assert len(costs) == len(table)


def test_the_factor_and_the_error_are_learned_from_measured_models(costs: list[str]) -> None:
    found = Predictor("torch")
    widths = [8 * (k + 1) for k in range(ENOUGH)]
    total = found.summed(detector(8))
    for k, width in enumerate(widths):
        assert found.error is None
        assert found.refuted(detector(width), 1e-9) is None  # its error is not known
        found.learn(detector(width), 2 * total * (1.1 if k == 0 else 1.0))
    assert found.factor == pytest.approx(2)
    assert found.predict(detector(8)) == pytest.approx(2 * total)
    assert found.error is not None
    assert found.error.models == ENOUGH
    assert found.error.median == pytest.approx(0)
    assert 0 < found.error.most < 1 - 1 / 1.1


def test_a_model_is_refused_beyond_the_error_alone(costs: list[str]) -> None:
    found = Predictor("torch")
    total = found.summed(detector(8))
    for k in range(ENOUGH):
        found.learn(detector(8 * (k + 1)), total * (1.2 if k % 2 else 1.0))
    assert found.error is not None
    predicted, margin = found.predict(detector(8)), 1 + found.error.most
    assert found.refuted(detector(8), predicted / margin * 1.01) is None
    assert found.refuted(detector(8), predicted / margin * 0.99) == predicted


def test_an_operation_runs_by_itself_on_torch() -> None:
    linear = Operation("conv", lambda: torch.nn.Conv2d(3, 4, 1), (contiguous((1, 3, 8, 8)),), (), listed=False)
    entered: list[int] = []

    @contextmanager
    def quiet() -> Iterator[None]:
        entered.append(1)
        yield

    assert Predictor("torch", quiet=quiet)._measure(linear) > 0
    assert entered == [1]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["torch", "onnxruntime", "onnxruntime-int8", "openvino", "openvino-int8"])
def test_all_operations_of_necks_run_on_every_target(target: predictor.Target) -> None:
    pytest.importorskip("onnx", reason="needs the extra onnx")
    if target.startswith("openvino"):
        pytest.importorskip("nncf", reason="needs the extra openvino")
    found = Predictor(target)
    assert found.summed(detector(8)) > 0
    assert len(found.table) >= 8
    assert all(milliseconds > 0 for milliseconds in found.table.values())


def test_an_operation_is_timed_in_its_deployed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[torch.nn.Module] = []
    monkeypatch.setattr(predictor, "_torch_pass", lambda module, *_: timed.append(module))
    monkeypatch.setattr(Predictor, "_time", lambda self, run: 1.0)
    conv = ConvSpec(kind="rep_csp", norm="batch")
    rep = Operation("rep", lambda: ConvNormAct(conv, 16, 16), (contiguous((1, 16, 8, 8)),), (), listed=False)
    assert any(isinstance(module, RepConv) for module in rep.build().modules())
    Predictor("torch")._measure(rep)
    assert not any(isinstance(module, RepConv) for module in timed[0].modules())
