from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.storage import Store, open_store
from tests.report.studies import every_kind


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The database of `every_kind`, to be read alone."""
    with open_store(every_kind(tmp_path_factory.mktemp("kinds")), create=False) as opened:
        yield opened
