"""The store keeps the contract on SQLite and on PostgreSQL, and what was recorded survives any end of its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas.storage import open_store
from tests.contracts.store_contract import StoreContract
from tests.storage import samples

ROOT = Path(__file__).parents[2]


class TestSQLite(StoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/nas.db"


@pytest.mark.postgres
class TestPostgreSQL(StoreContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


@pytest.mark.slow
def test_a_process_killed_between_file_and_commit_leaves_a_sound_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    script = f"""
import os
from nas.storage import open_store
from nas.storage.folders import LocalFolder
from tests.storage import samples

write = LocalFolder.write

def write_and_die(folder, file, data):
    write(folder, file, data)
    os._exit(9)

store = open_store({url!r}, create=True)
store.record(samples.evaluation(seed=1, weights=b"one"))
LocalFolder.write = write_and_die
store.record(samples.evaluation(seed=2, weights=b"two"))
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert ended.returncode == 9
    with open_store(url, create=True) as store:
        assert store.evaluations("t1-abc") == [samples.evaluation(seed=1)]
        lost = samples.evaluation(seed=2, weights=b"two")
        assert store.get_artifact(str(lost.key), "weights") is None
        store.record(lost)
        assert store.evaluation(lost.key) == samples.without_weights(lost)
        assert store.get_artifact(str(lost.key), "weights") == b"two"
