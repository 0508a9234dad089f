from __future__ import annotations

from pathlib import Path
from typing import IO

import pytest

from nas.files import stem_of, write_whole


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
        write_whole(path, lambda inner: inner.write(b"other"), mark=".b")
        assert path.read_bytes() == b"other"

    write_whole(path, other_meanwhile, mark=".a")
    assert path.read_bytes() == b"one"


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
