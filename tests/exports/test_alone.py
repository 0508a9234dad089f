"""One process writes to a folder: held against others, let go at the end of a block or of the process."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.exports.alone import alone

HOLD = "import sys; from pathlib import Path; from nas.exports.alone import alone\n"
HOLD += "with alone(Path(sys.argv[1]), print): print('held', flush=True); sys.stdin.read()"


def silent(line: str) -> None:
    raise AssertionError(line)


def test_a_folder_that_another_process_holds_is_refused_until_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match=r"^another training is writing to .*out: wait for it"),
            alone(folder, silent),
        ):
            pass
        assert folder.is_dir()
        other.kill()
    with alone(folder, silent):
        pass


def test_one_that_is_refused_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though there was no folder yet when it looked."""
    folder = tmp_path / "out"
    exists = Path.exists
    with alone(folder, silent):
        monkeypatch.setattr(Path, "exists", lambda path: path != folder and exists(path))
        with pytest.raises(UserError, match=r"^another training"), alone(folder, silent):
            pass
        monkeypatch.undo()
        assert folder.is_dir()


def test_a_folder_that_was_taken_away_meanwhile_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    flock = fcntl.flock

    def late(handle: int, how: int) -> None:
        monkeypatch.setattr("fcntl.flock", flock)
        folder.rmdir()  # as the one who held it does at its end
        flock(handle, how)

    monkeypatch.setattr("fcntl.flock", late)
    with alone(folder, silent), pytest.raises(UserError, match=r"^another training"), alone(folder, silent):
        pass


def test_a_new_folder_stays_if_something_was_put_there(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        with alone(tmp_path / "deep" / name, silent):
            if name == "full":
                (tmp_path / "deep" / name / "file").touch()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["full"]
    with alone(tmp_path / "new" / "empty", silent):
        pass
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with alone(tmp_path / "old", silent):
        pass
    assert (tmp_path / "old").is_dir()


def test_what_cannot_be_locked_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    said: list[str] = []
    with alone(tmp_path, said.append):
        pass
    assert said == [f"{tmp_path} cannot be locked (No locks available): see that no other training writes there"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "out"
    with pytest.raises(UserError, match=r"file/out cannot be written: Not a directory"), alone(folder, silent):
        pass


def test_a_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.exports.alone.fcntl", None)
    said: list[str] = []
    with alone(tmp_path / "out", said.append):
        pass
    assert len(said) == 1
    assert said[0].startswith(
        f"{tmp_path / 'out'} cannot be locked (this system has no such locks): see that no other "
    )
    assert list(tmp_path.iterdir()) == []
