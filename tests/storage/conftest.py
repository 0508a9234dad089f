from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import Server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database of the test's own, of each kind in turn."""
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        return server.url(server.new())
    return f"sqlite:///{tmp_path}/nas.db"
