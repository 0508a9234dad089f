from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from nas.files import stem_of, sweep, temporary_name, write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, lambda file: file.write(b"before"))

    def half(file: IO[bytes]) -> None:
        file.write(b"aft")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        write_whole(path, half)
    assert path.read_bytes() == b"before"
    assert [own.name for own in path.parent.iterdir()] == ["file"]


def test_two_writers_with_marks_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def other_meanwhile(file: IO[bytes]) -> None:
        file.write(b"one")
        write_whole(path, lambda inner: inner.write(b"other"), alone=False)
        assert path.read_bytes() == b"other"

    write_whole(path, other_meanwhile, alone=False)
    assert path.read_bytes() == b"one"
    assert [own.name for own in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    path, dead = tmp_path / "file", run_python(f"from nas.files import *; print(temporary_name(Path({'x'!r})).name)")
    (tmp_path / dead.replace(".x.", ".file.", 1)).write_bytes(b"half")
    (tmp_path / dead.replace(".x.", ".folder.", 1)).mkdir()
    (tmp_path / dead.replace(".x.", ".folder.", 1) / "part").touch()
    kept = [path, temporary_name(path), tmp_path / dead.replace(".x.", ".other.", 1), tmp_path / ".file.hidden"]
    kept += [recent := elsewhere(path)]
    old = elsewhere(path)
    for own in (*kept, old):
        own.touch()
    os.utime(old, (0, 0))
    sweep(tmp_path, "file|folder")
    assert set(tmp_path.iterdir()) == set(kept), "a writer that lives, or that may live on another host, goes on"
    assert recent.exists()


def test_a_writer_that_was_killed_leaves_what_the_next_sweep_deletes(tmp_path: Path) -> None:
    code = (
        "write_whole(Path(sys.argv[1]), lambda f: (f.write(b'half'), f.flush(), os.kill(os.getpid(), 9)), alone=False)"
    )
    run_python(f"import os, sys; from nas.files import *; {code}", str(tmp_path / "file"), status=-9)
    assert len(list(tmp_path.iterdir())) == 1
    sweep(tmp_path, "file")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "missing", "file")
    assert list(tmp_path.iterdir()) == []


def elsewhere(path: Path) -> Path:
    """A temporary name that a process of another host gave."""
    name = temporary_name(path)
    return name.with_name(name.name.replace(f"-{socket.gethostname()}-", "-another-host-"))


def run_python(code: str, *words: str, status: int = 0) -> str:
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cells", "cells"),
        ("a/b", "a-b"),
        ("..", "study"),
        ("../up", "-up"),
        ("🚀 größe", "🚀 größe"),
        ("a\\b:c?", "a-b-c-"),
        ("細" * 100, "細" * 66),
    ],
)
def test_a_file_is_named_after_a_study(name: str, stem: str, tmp_path: Path) -> None:
    assert stem_of(name) == stem
    (tmp_path / f"{stem}.yaml").touch()
    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.yaml"]
