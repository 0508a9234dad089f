"""What is told before hours are spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.proxy import certify, outlook
from nas.storage import open_store
from tests import searches
from tests.proxy.test_certify import install, trains


def test_it_counts_what_is_recorded_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, url = searches.spec(full={"epochs": 30}), searches.url(tmp_path)
    install(monkeypatch, trains(honest=True))
    found = outlook(spec, storage=url, necks=12, seeds=2)
    assert (len(found.necks), found.seeds) == (14, 2)
    assert min(found.necks.values()) > 0
    assert (found.proxy.epochs, found.proxy.runs, found.proxy.recorded, found.proxy.left) == (3, 28, 0, None)
    assert (found.full.epochs, found.full.runs, found.full.recorded, found.full.left) == (30, 28, 0, None)
    assert not list(tmp_path.iterdir())
    certify(spec, storage=url, necks=12, seeds=1)
    found = outlook(spec, storage=url, necks=12, seeds=2)
    assert (found.proxy.recorded, found.full.recorded) == (14, 14)
    assert found.full.left == pytest.approx(14 * 30)  # a second an epoch


def test_a_study_that_was_launched_with_other_settings_is_told_of(tmp_path: Path) -> None:
    spec, url, said = searches.spec(full={"epochs": 30}), searches.url(tmp_path), list[str]()
    with open_store(url, create=True) as store:
        store.begin("small", spec, "", searches.prepared().fingerprint, {}).close("done")
    outlook(spec.model_copy(update={"seed": 7}), storage=url, necks=12, say=said.append)
    assert not any("was launched" in line for line in said), "a certificate is of no seed"
    other = searches.spec(full={"epochs": 30}, task=searches.TASK | {"epochs": 5}, space=searches.SPACE | {"width": 32})
    outlook(other, storage=url, necks=8, say=said.append)
    told = "study 'small' was launched with other settings than are evaluated here"
    assert f"{told}: space.width [16, 32], now 32; task.epochs 3, now 5" in said
