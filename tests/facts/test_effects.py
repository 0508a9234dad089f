from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import UserError
from nas.facts.effects import found
from nas.search.effects import Necks
from nas.search.effects.necks import MOST_NECKS
from nas.storage import open_store
from tests.fabricated import fabricate


def necks(count: int) -> Necks:
    return Necks("cells", {"width": (8,)}, ({"width": 8},) * count, ({"ap": 0.1},) * count, count)


def test_what_takes_minutes_is_refused_beside_other_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert necks(MOST_NECKS).too_many is None
    monkeypatch.setattr("nas.facts.effects.necks_of", lambda *_, **__: necks(MOST_NECKS + 1))
    said = "more than 1000 necks: `nas effects cells` estimates it"
    with open_store(fabricate(tmp_path), create=False) as store, pytest.raises(UserError, match=said):
        found(store, "cells", quick=True)
