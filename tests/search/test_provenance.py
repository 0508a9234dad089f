"""A study that is resumed keeps to the device that it began on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nas.errors import UserError
from nas.search.provenance import check_setup, differences, with_first_device
from nas.storage import StudyRecord
from nas.studies.parts import Workers
from tests.searches import spec


def record(gpus: float) -> StudyRecord:
    """A study whose workers had so many GPUs each."""
    began = spec().model_copy(update={"workers": Workers(gpus=gpus)})
    return StudyRecord.model_construct(name="small", spec=began, task="t1", provenance={"space": {}})


@pytest.mark.parametrize(
    ("began", "asked", "gpus"),
    [(0, "auto", 0), (0.25, "auto", "auto"), (0, 1, 1), (0.25, 0, 0)],
)
def test_a_study_that_began_without_gpus_goes_on_without(began: float, asked: Any, gpus: Any) -> None:
    resumed = spec(workers={"gpus": asked, "count": 2})
    assert with_first_device(record(began), resumed).workers == Workers(gpus=gpus, count=2)


def test_a_study_whose_gpus_are_gone_says_so() -> None:
    space, task = SimpleNamespace(to_dict=dict, name="pyramid"), SimpleNamespace(fingerprint="t2")
    setup: Any = SimpleNamespace(spec=spec(workers={"gpus": 0}), space=space, task=task)
    with pytest.raises(UserError, match=r"study 'small' began on GPUs, and its workers have none now"):
        check_setup(record(0.5), setup)
    with pytest.raises(UserError, match="data, weights or evaluator have changed"):
        check_setup(record(0), setup)


def test_what_is_measured_may_change() -> None:
    assert differences(spec(), spec(measure=["latency_ms", "ap_int8"])) == []
    assert [fault.path for fault in differences(spec(), spec(seed=1))] == ["seed"]
