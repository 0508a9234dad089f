"""A finished database where nothing can be written."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from nas.errors import StoreError
from nas.storage import check_writable, open_store
from tests.storage import samples


def mount(*words: str | Path) -> bool:
    """Whether it could be done."""
    return shutil.which("mount") is not None and subprocess.run(["mount", *words], capture_output=True).returncode == 0


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with a database and its artifacts, as a launch leaves them."""
    folder = tmp_path / "finished #1 100%?"
    folder.mkdir()
    with open_store(f"sqlite:///{folder}/nas.db", create=True) as store:
        samples.with_study(store)
        optuna.create_study(storage=store.optuna, study_name="pets")
        store.record(samples.evaluation(weights=b"weights"))
    return folder


@pytest.fixture
def read_only(finished: Path) -> Iterator[Path]:
    """That folder, mounted read-only; permissions would stop nobody who is root."""
    if not mount("--bind", finished, finished):
        pytest.skip("mounting a folder read-only takes the right to mount: root, outside most containers")
    try:
        assert mount("-o", "remount,bind,ro", finished)
        yield finished
    finally:
        subprocess.run(["umount", "-l", finished], check=True)


def test_everything_can_be_read(read_only: Path) -> None:
    with open_store(f"sqlite:///{read_only}/nas.db", create=False) as store:
        assert [study.name for study in store.studies()] == ["pets"]
        evaluation = samples.evaluation()
        assert store.evaluation(evaluation.key) == evaluation
        assert store.get_artifact(str(evaluation.key), "weights") == b"weights"
        assert optuna.load_study(study_name="pets", storage=store.optuna).trials == []
        with pytest.raises(StoreError, match="readonly database"):
            store.drop_artifact(str(evaluation.key), "weights")
    assert sorted(path.name for path in read_only.iterdir()) == ["nas-artifacts", "nas.db"]


def test_nobody_starts_to_write(read_only: Path) -> None:
    for url in (f"sqlite:///{read_only}/nas.db", f"sqlite:///{read_only}/new.db"):
        with pytest.raises(StoreError, match="cannot be written; copy the database to a folder that can"):
            check_writable(url)
        with pytest.raises(StoreError, match="cannot be written; copy the database to a folder that can"):
            open_store(url, create=True)


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_what_is_not_in_the_database_yet_is_not_missed(suffix: str, finished: Path, tmp_path: Path) -> None:
    """A log without its index, which was lost in copying, and a journal: neither can be read without writing."""
    file, copied = finished / "nas.db", tmp_path / "copied"
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        if suffix == "-journal":
            writer.execute("PRAGMA journal_mode=DELETE")
            writer.execute("PRAGMA cache_size=1")
            writer.execute("PRAGMA cache_spill=1")
            writer.execute("BEGIN")
            writer.execute("CREATE TABLE half (x)")
            writer.executemany("INSERT INTO half VALUES (?)", [("x" * 3000,)] * 50)
        else:
            writer.execute("UPDATE nas_study SET text = 'later'")
        copied.mkdir()
        for path in (file, file.with_name(file.name + suffix)):
            shutil.copy(path, copied)
    if not mount("--bind", copied, copied):
        pytest.skip("mounting a folder read-only takes the right to mount: root, outside most containers")
    try:
        assert mount("-o", "remount,bind,ro", copied)
        with pytest.raises(StoreError, match=rf"left a part of it in nas\.db{suffix}; copy both files to a folder"):
            open_store(f"sqlite:///{copied}/nas.db", create=False)
    finally:
        subprocess.run(["umount", "-l", copied], check=True)
    with open_store(f"sqlite:///{copied}/nas.db", create=False) as store:
        assert [study.text for study in store.studies()] == ["later" if suffix == "-wal" else samples.TEXT]


def test_a_log_with_its_index_is_read(finished: Path) -> None:
    """What a killed process leaves beside the database."""
    file, copied = finished / "nas.db", finished / "copied"
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("UPDATE nas_study SET text = 'later'")
        copied.mkdir()
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{file}{suffix}", copied)
    if not mount("--bind", copied, copied):
        pytest.skip("mounting a folder read-only takes the right to mount: root, outside most containers")
    try:
        assert mount("-o", "remount,bind,ro", copied)
        with open_store(f"sqlite:///{copied}/nas.db", create=False) as store:
            assert [study.text for study in store.studies()] == ["later"]
    finally:
        subprocess.run(["umount", "-l", copied], check=True)
