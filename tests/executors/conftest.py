"""The context of the toy evaluations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.executors.toys import Context


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Ten megabytes of images: too many to travel with a job."""
    images = np.arange(10**7, dtype=np.uint8).reshape(10, 1000, 1000)
    return Context(tmp_path_factory.mktemp("marks"), images)
