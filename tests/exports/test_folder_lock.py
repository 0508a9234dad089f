"""A folder is locked for one process until a block or the process ends."""

from __future__ import annotations

import fcntl
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.exports.folder_lock import lock_folder
from tests import forked


def hold(folder: Path, pipe: Connection) -> None:
    """What another process does: it holds the folder until it is killed."""
    with lock_folder(folder, silent):
        pipe.send("held")
        pipe.recv()


def silent(line: str) -> None:
    raise AssertionError(line)


def test_a_locked_folder_is_refused_until_its_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ours, theirs = forked.context().Pipe()
    other = forked.context().Process(target=hold, args=(folder, theirs))
    other.start()
    assert ours.recv() == "held"
    with (
        pytest.raises(UserError, match=r"^another training is writing to .*out: wait for it"),
        lock_folder(folder, silent),
    ):
        pass
    assert folder.is_dir()
    other.kill()
    other.join()
    with lock_folder(folder, silent):
        pass


def test_a_refused_process_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the folder did not exist when it looked."""
    folder = tmp_path / "out"
    exists = Path.exists
    with lock_folder(folder, silent):
        monkeypatch.setattr(Path, "exists", lambda path: path != folder and exists(path))
        with pytest.raises(UserError, match=r"^another training"), lock_folder(folder, silent):
            pass
        monkeypatch.undo()
        assert folder.is_dir()


def test_a_folder_that_was_removed_meanwhile_is_created_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    flock = fcntl.flock

    def late(handle: int, how: int) -> None:
        monkeypatch.setattr("fcntl.flock", flock)
        folder.rmdir()  # as its last owner does
        flock(handle, how)

    monkeypatch.setattr("fcntl.flock", late)
    with lock_folder(folder, silent), pytest.raises(UserError, match=r"^another training"), lock_folder(folder, silent):
        pass


def test_a_new_folder_stays_unless_it_is_empty(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        with lock_folder(tmp_path / "deep" / name, silent):
            if name == "full":
                (tmp_path / "deep" / name / "file").touch()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["full"]
    with lock_folder(tmp_path / "new" / "empty", silent):
        pass
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with lock_folder(tmp_path / "old", silent):
        pass
    assert (tmp_path / "old").is_dir()


def test_a_folder_that_cannot_be_locked_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    lines: list[str] = []
    with lock_folder(tmp_path, lines.append):
        pass
    assert lines == [f"{tmp_path} cannot be locked (No locks available): make sure that no other training writes there"]


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "out"
    with pytest.raises(UserError, match=r"file/out cannot be written: Not a directory"), lock_folder(folder, silent):
        pass


def test_a_system_without_locks_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.exports.folder_lock.fcntl", None)
    lines: list[str] = []
    with lock_folder(tmp_path / "out", lines.append):
        pass
    assert len(lines) == 1
    assert lines[0].startswith(
        f"{tmp_path / 'out'} cannot be locked (this system has no file locks): make sure that no other "
    )
    assert list(tmp_path.iterdir()) == []
