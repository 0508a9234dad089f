"""What all tests share: one thread for torch, and the folder of real images, if there is one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

# Before torch is imported, here or in a process that a test starts: numbers repeat, and tests do not fight for cores.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from alembic.util import pyfiles
from hypothesis import HealthCheck, settings

from nas.studies.spec import available_cpus
from tests.browser import browser  # noqa: F401  (fixtures of all tests)
from tests.forked import forked_exports  # noqa: F401
from tests.postgres import _template, postgres, postgres_url  # noqa: F401
from tests.s3 import s3, s3_server  # noqa: F401

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: a busy machine is no failure. The same examples in each run, so that a change fails for what it changed;
# `--hypothesis-profile=hunt` draws others, again and again.
_PATIENT = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nas", _PATIENT, derandomize=True)
settings.register_profile("hunt", _PATIENT)
settings.load_profile("nas")


_read, _migration = pyfiles.load_module_py, cache(pyfiles.load_module_py)
# Alembic reads all migrations, Optuna's and ours, anew for each database that is opened: half of what that takes.
pyfiles.load_module_py = lambda name, path: (_migration if "versions" in Path(path).parts else _read)(name, str(path))


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores (`-n auto`): tests wait for clusters, services and browsers."""
    return available_cpus() + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What runs where and when, on several cores (`-n`): a file's tests together, for they share fixtures; Ray's all
    together, for a joined cluster is found through the machine; PostgreSQL's all together, for they share a server.
    The longest come first, so that no core waits for them at the end; pytest needs `--no-loadscope-reorder` for it.
    """
    groups = [next((name for name in ("ray", "postgres") if i.get_closest_marker(name)), str(i.path)) for i in items]
    for item, group in zip(items, groups, strict=True):
        item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        seconds: Counter[str] = Counter()
        for item, group in zip(items, groups, strict=True):
            seconds[group] += _seconds(item)
        ordered = sorted(zip(items, groups, strict=True), key=lambda pair: -seconds[pair[1]])
        items[:] = [item for item, _ in ordered]


def _seconds(item: pytest.Item) -> float:
    """What a test may take, guessed from its marks: one with much patience of its own needs it."""
    patience = item.get_closest_marker("timeout")
    if patience is not None:
        return float(patience.args[0]) / 10
    return 5.0 if item.get_closest_marker("slow") or item.get_closest_marker("ray") else 0.1


TEST_DATA = Path(os.environ.get("NAS_TEST_DATA", Path(__file__).parents[2] / "shared"))
"""The one setting of the tests: a folder with `data/bccd`, `data/nuclei` and `weights`."""


def _given(path: str) -> Path:
    found = TEST_DATA / path
    if not found.exists():
        pytest.skip(f"needs {path} in the folder that NAS_TEST_DATA names ({TEST_DATA})")
    return found


@pytest.fixture(scope="session")
def bccd() -> Path:
    """Blood cells with boxes: a VOC folder."""
    return _given("data/bccd")


@pytest.fixture(scope="session")
def nuclei() -> Path:
    """Nuclei with boxes and masks: a COCO folder."""
    return _given("data/nuclei")


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data sets as people bring them, a folder each; `cases/README.md` beside the data says what is in them."""
    made = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, _given("cases/make.py"), _given("data"), made], check=True)
    return made


@pytest.fixture(scope="session")
def lite0_weights() -> Path:
    """ImageNet weights of EfficientNet-Lite0, in timm's names."""
    return _given("weights/tf_efficientnet_lite0.safetensors")
