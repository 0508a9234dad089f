"""The targets of latencies, as a study names them."""

from __future__ import annotations

from typing import Any

import pytest

from nas.errors import SpecError
from nas.studies.spec import TaskSpec
from nas.studies.task import RemoteTarget

TASK = {"kind": "detection", "data": {"kind": "digits"}}


def target(value: Any) -> Any:
    return TaskSpec.parse(TASK | {"latency_target": value}).latency_target


def test_a_device_elsewhere_is_a_mapping_and_has_a_short_name() -> None:
    found = target({"remote": "http://board:8700/", "precision": "int8"})
    assert found == RemoteTarget(remote="http://board:8700", precision="int8")
    assert str(found) == "onnxruntime-int8 at http://board:8700"
    far = [str(target({"remote": f"http://{'board.' * 20}example.org:{port}"})) for port in (1, 2)]
    assert [len(name) for name in far] == [64, 64]  # of the column that has it in the database
    assert far[0] != far[1]


def test_the_default_is_left_out_of_what_is_stored() -> None:
    assert "latency_target" not in TaskSpec.parse(TASK).to_dict()
    remote = {"remote": "http://board:8700"}
    assert TaskSpec.parse(TASK | {"latency_target": remote}).to_dict()["latency_target"] == remote


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tpu", "latency_target: should be torch, onnxruntime, onnxruntime-int8, openvino, openvino-int8 or a mapping"),
        ({"remote": "board"}, "latency_target.remote: should be the URL of a device"),
        ({"remote": "file:///etc/passwd"}, "latency_target.remote: should be the URL of a device"),
        ({"remote": "http://me:secret@board"}, "latency_target.remote: holds a secret, which files would show"),
        ({"remote": "http://board", "runtime": "tpu"}, "latency_target.runtime: should be"),
        (
            {"remote": "http://board", "runtime": "litert", "precision": "int8"},
            "latency_target.precision: litert takes",
        ),
    ],
)
def test_another_is_refused_in_one_sentence(value: Any, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        target(value)
    [fault] = caught.value.faults
    assert str(fault).startswith(said)
    assert "secret@" not in str(fault)
