"""`import nas` is quick, and the ground floor stands alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nas

HEAVY = {"torch", "torchvision", "timm", "numpy", "optuna", "ray", "sqlalchemy", "alembic"}


def test_import_and_the_ground_floor_load_nothing_heavy() -> None:
    code = (
        "import sys, nas, nas.necks.canonical, nas.studies.catalog, nas.studies.spec, nas.necks.topologies;"
        f"print(*{{m.partition('.')[0] for m in sys.modules}} & {HEAVY})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_lazy_names_are_listed() -> None:
    assert {"preset", "build", "build_neck", "load", "launch", "__version__"} <= set(dir(nas))
    assert set(nas.__all__) <= set(dir(nas))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        nas.nonsense  # noqa: B018
