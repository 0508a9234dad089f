"""Device and precision are resolve_device once, by the machine that prepares."""

from __future__ import annotations

import pytest
import torch

from nas.errors import SpecError
from nas.tasks.device import dtype, local_device, resolve_device, resolve_precision
from tests.tasks.tiny import prepared, spec


@pytest.mark.parametrize("gpu", [False, True])
def test_auto_is_a_gpu_where_there_is_one(gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert resolve_device("auto") == ("cuda" if gpu else "cpu")
    assert (resolve_device("cpu"), resolve_device("cuda")) == ("cpu", "cuda")
    assert local_device("cuda").type == ("cuda" if gpu else "cpu")
    assert local_device("cpu").type == "cpu"


def test_precision_on_a_cpu_is_as_asked_or_by_its_units(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_precision("bf16", "cpu") == "bf16"
    assert resolve_precision("fp32", "cpu") == "fp32"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert resolve_precision("auto", "cpu") == "bf16"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert resolve_precision("auto", "cpu") == "bf16 from 64 channels"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert resolve_precision("auto", "cpu") == "fp32"


@pytest.mark.parametrize(
    ("gpu", "computes", "expected"), [(True, True, "bf16"), (True, False, "fp32"), (False, True, "fp32")]
)
def test_precision_on_a_gpu_is_what_it_computes_in(
    gpu: bool, computes: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or computes

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert resolve_precision("auto", "cuda") == expected


def test_narrow_models_gain_nothing_from_vector_instructions() -> None:
    assert [dtype("bf16 from 64 channels", width) for width in (63, 64)] == [torch.float32, torch.bfloat16]
    assert [dtype("bf16", 8), dtype("fp32", 256)] == [torch.bfloat16, torch.float32]


def test_a_task_tells_both() -> None:
    task = prepared(precision="bf16", device="cpu")
    assert (task.device, task.precision) == ("cpu", "bf16")
    assert task.details().items() >= {"device": "cpu", "precision": "bf16"}.items()


def test_no_other_device_is_known() -> None:
    with pytest.raises(SpecError) as error:
        spec(device="banana")
    assert [fault.path for fault in error.value.faults] == ["device"]
