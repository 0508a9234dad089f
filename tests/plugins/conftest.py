"""Every test leaves the tables as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.opened import restored


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        yield
