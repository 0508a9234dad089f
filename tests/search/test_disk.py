"""A disk that is full, cannot be written, or lost what was on it: one sentence, nothing half-written, on it goes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from nas.errors import StoreError, StoreFailed
from nas.exports import export
from nas.search import launch
from nas.storage import open_store
from nas.storage.results import Result
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from tests import searches
from tests.s3 import SECRET
from tests.searches import quick, spec

STUDY = spec(keep="all")


def heavy(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """A toy whose weights take 300 kB."""
    for step in quick(task, job):
        is_last = isinstance(step, Measurement)
        yield step.model_copy(update={"weights": os.urandom(300_000)}) if is_last else step


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch, heavy)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.5 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("a small disk takes the right to mount: root, outside most containers")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def launched(url: str, artifacts: str | Path, lines: list[str] | None = None) -> Result:
    return launch(STUDY, storage=url, artifacts=artifacts, say=(lines if lines is not None else []).append)


def check(url: str, artifacts: Path, result: Result) -> None:
    """Every trial was trained once, and every file is whole."""
    counts = result.trials
    assert (result.state, counts.complete, counts.running, counts.waiting, counts.failed) == ("done", 6, 0, 0, 0)
    with open_store(url, create=False) as store:
        for key in {trial.key for trial in store.trials("small")}:
            assert [attempt.state for attempt in store.attempts(key)].count("complete") == 1
            assert store.get_artifact(str(key), "weights") is not None
    for file in artifacts.iterdir():
        assert file.name == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("full", ["artifacts", "database", "both"])
def test_a_full_disk(small: Path, tmp_path: Path, full: str) -> None:
    large = tmp_path / "large"
    large.mkdir()
    database, folder = (small if full != "artifacts" else large), (small if full != "database" else large)
    url, artifacts = f"sqlite:///{database}/nas.db", folder / "artifacts"
    if full == "database":
        (small / "ballast").write_bytes(bytes(1_100_000))
    with pytest.raises(StoreFailed, match=r"No space left on device|disk is full|disk I/O error") as error:
        launched(url, artifacts)
    assert error.value.exit_status == 1
    assert "\n" not in str(error.value)
    finished = sorted(artifacts.iterdir()) if artifacts.exists() else []
    assert all(file.name == hashlib.sha256(file.read_bytes()).hexdigest() for file in finished)
    subprocess.run(["mount", "-o", "remount,size=50m", small], check=True)
    check(url, artifacts, launched(url, artifacts))
    assert {*finished} <= {*artifacts.iterdir()}


def test_a_database_that_cannot_be_written_any_more(tmp_path: Path) -> None:
    url, artifacts, statements = searches.url(tmp_path), tmp_path / "artifacts", 0

    def count(connection: Any, *_: Any) -> None:
        nonlocal statements
        statements += 1
        if statements >= 150:
            connection.connection.driver_connection.execute("PRAGMA query_only=ON")

    event.listen(Engine, "before_cursor_execute", count)
    try:
        with pytest.raises(StoreFailed, match="attempt to write a readonly database") as error:
            launched(url, artifacts)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert error.value.exit_status == 1
    check(url, artifacts, launched(url, artifacts))


def damaged(url: str) -> tuple[int, Path]:
    """The best trial, whose weight file has a wrong byte from now on, and that file."""
    with open_store(url, create=False) as store:
        best = launched(url, Path(url.removeprefix("sqlite:///")).with_name("artifacts")).best[0]
        key = next(trial.key for trial in store.trials("small") if trial.number == best.trial)
        row = store._artifacts.find(str(key), "weights")
    file = Path(row.folder) / row.sha256
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    return best.trial, file


def test_a_damaged_weight_file_is_named_and_never_exported(tmp_path: Path) -> None:
    url, artifacts, lines = searches.url(tmp_path), tmp_path / "artifacts", []
    check(url, artifacts, launched(url, artifacts))
    trial, file = damaged(url)
    launched(url, artifacts, lines)
    assert [line for line in lines if "cannot be exported" in line] == [
        line for line in lines if line.startswith(f"trial {trial} cannot be exported: ") and str(file) in line
    ]
    assert any("cannot be exported" in line for line in lines)
    with pytest.raises(StoreError, match=f"{file.name}.* is damaged: its content is not what was written"):
        export("small", tmp_path / "export", storage=url)
    assert not (tmp_path / "export").exists()


def test_another_study_trains_again_what_is_damaged(tmp_path: Path) -> None:
    url, artifacts, lines = searches.url(tmp_path), tmp_path / "artifacts", []
    launched(url, artifacts)
    _, file = damaged(url)
    again = STUDY.model_copy(update={"name": "again"})
    result = launch(again, storage=url, artifacts=artifacts, say=lines.append)
    assert result.trials.complete == 6
    assert [line for line in lines if str(file) in line and "it will be made again" in line]
    with open_store(url, create=False) as store:
        assert all(store.damage(str(trial.key), "weights") is None for trial in store.trials("small"))


def test_a_backbone_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    url, artifacts, lines = searches.url(tmp_path), tmp_path / "artifacts", []
    launched(url, artifacts)
    owner = f"task/{searches.prepared().fingerprint}"
    kinds = list(searches.prepared().shared())
    assert kinds
    with open_store(url, create=False) as store:
        for kind in kinds:
            row = store._artifacts.find(owner, kind)
            (Path(row.folder) / row.sha256).write_bytes(b"")
    check(url, artifacts, launched(url, artifacts, lines))
    with open_store(url, create=False) as store:
        assert all(store.get_artifact(owner, kind) for kind in kinds)


@pytest.mark.slow
def test_an_artifact_folder_that_is_taken_away(tmp_path: Path) -> None:
    url, artifacts = searches.url(tmp_path), tmp_path / "artifacts"

    def say(line: str) -> None:
        if line.startswith("trial 2 complete"):
            artifacts.rename(tmp_path / "away")

    result = launch(STUDY, storage=url, artifacts=artifacts, say=say)
    assert result.trials.complete == 6
    for file in (tmp_path / "away").iterdir():
        file.rename(artifacts / file.name)
    check(url, artifacts, result)


def test_what_a_killed_driver_left_among_the_artifacts_is_deleted(tmp_path: Path) -> None:
    """The next launch does it, once it has the lease."""
    url, artifacts = f"sqlite:///{tmp_path}/nas.db", tmp_path / "artifacts"
    code = "write_whole(Path(sys.argv[1]), lambda file: (file.write(b'half'), os.kill(os.getpid(), 9)), alone=False)"
    code = f"import os, sys; from nas.files import *; {code}"
    for name in ("0" * 64, "notes"):
        killed = subprocess.run([sys.executable, "-c", code, artifacts / name], check=False)
        assert killed.returncode == -9
    assert len(list(artifacts.iterdir())) == 2
    launched(url, artifacts)
    assert [path.name[:7] for path in artifacts.iterdir() if path.name.startswith(".")] == [".notes."], "others stay"


def test_a_study_whose_artifacts_are_on_s3(s3: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import s3fs

    system, url, artifacts = s3fs.S3FileSystem(), searches.url(tmp_path), "s3://studies/mine"
    system.mkdir("studies")
    lines: list[str] = []
    result = launched(url, artifacts, lines)
    assert (result.state, result.trials.complete) == ("done", 6)
    with open_store(url, create=False) as store:
        keys = {trial.key for trial in store.trials("small")}
        assert all(store.get_artifact(str(key), "weights") for key in keys)
        best = next(trial.key for trial in store.trials("small") if trial.number == result.best[0].trial)
        file = store._artifacts.find(str(best), "weights").sha256
    system.pipe_file(f"studies/mine/{file}", b"something else")
    launched(url, artifacts, lines)
    assert any(f"s3://studies/mine/{file}) is damaged" in line and "cannot be exported" in line for line in lines)
    with pytest.raises(StoreError, match=f"{file}.* is damaged: its content is not what was written"):
        export("small", tmp_path / "export", storage=url)
    printed = capfd.readouterr()
    assert SECRET not in f"{printed.out}{printed.err}{lines}"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [], "nothing lies on this machine's disks"
