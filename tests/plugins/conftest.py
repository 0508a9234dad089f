"""Every test begins without additions to the tables, and leaves them as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nas.plugins.table import ADDED
from tests.opened import restored


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        for added in ADDED.values():
            added.clear()
        yield
