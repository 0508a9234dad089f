from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.storage.results import Result
from tests import searches

Launch = Callable[..., Result]


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Launches a study of quick trials with sinks."""
    searches.install(monkeypatch)

    def launched(*sinks: str, trials: int = 3, lines: list[str] | None = None, **changes: Any) -> Result:
        spec = searches.spec(budget={"trials": trials}, **changes)
        say = (lines if lines is not None else []).append
        return nas.launch(spec, storage=searches.url(tmp_path), sinks=sinks, say=say)

    return launched
