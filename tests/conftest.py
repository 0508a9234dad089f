"""What all tests share: one thread for torch, and the folder of real images, if there is one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

# Before torch is imported, here or in a process that a test starts: numbers repeat, and tests do not fight for cores.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import _template, postgres, postgres_url  # noqa: F401  (fixtures of all tests)
from tests.s3 import s3, s3_server  # noqa: F401

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: a busy machine is no failure.
settings.register_profile("nas", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nas")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs where, on several cores (`-n`): a file's tests together, for they share fixtures; Ray's all together,
    for a joined cluster is found through the machine; PostgreSQL's all together, for they share a server.
    """
    for item in items:
        group = next((name for name in ("ray", "postgres") if item.get_closest_marker(name)), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))


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
