"""Executors by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nas.errors import Fault
from nas.executors import EXECUTORS, check
from nas.executors.local import LocalExecutor
from nas.studies.spec import StudySpec, Workers
from tests.executors.toys import Context, evaluate


def spec(executor: str) -> StudySpec:
    return StudySpec.parse({"task": {"kind": "detection", "data": {"kind": "digits"}}, "executor": executor})


@pytest.mark.parametrize("name", EXECUTORS)
def test_known_names_are_faultless(name: str) -> None:
    assert check(spec(name)) == []


def test_an_unknown_name_is_a_fault() -> None:
    assert check(spec("dask")) == [Fault("executor", "unknown 'dask'; one of ray, local")]


def test_local_is_built_by_name(context: Context) -> None:
    with EXECUTORS["local"](evaluate, context, Workers(count=4), None) as executor:
        assert isinstance(executor, LocalExecutor)
        assert executor.capacity == 1


def test_names_are_checked_without_ray() -> None:
    code = "import sys, nas.executors; print('ray' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
