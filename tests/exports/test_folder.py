from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import UserError
from nas.exports.config import HEADER, is_export
from nas.exports.folder import check_folder, write_folder
from tests import forked

OLD = {"config.yaml": f"{HEADER}old".encode(), "weights.safetensors": b"old"}
NEW = {"weights.safetensors": b"new", "config.yaml": f"{HEADER}new".encode()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_folder_and_its_parents_are_made(tmp_path: Path) -> None:
    write_folder(tmp_path / "a/b", NEW)
    assert content(tmp_path / "a/b") == NEW
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_the_working_folder_can_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_folder(Path(), NEW)
    assert content(tmp_path / "here") == NEW


def test_what_a_killed_export_left_beside_the_folder_is_deleted(tmp_path: Path) -> None:
    kill = "os.rename = os.replace = lambda *_: os.kill(os.getpid(), 9)"
    code = f"import os, sys; from nas.exports.folder import *; {kill}; write_folder(Path(sys.argv[1]), {{'a': b'x'}})"
    killed = forked.run("-c", code, tmp_path / "out", cwd=tmp_path)
    assert killed.returncode == -9, killed.stderr
    (left,) = tmp_path.iterdir()
    assert content(left) == {"a": b"x"}
    (tmp_path / ".other").mkdir()
    write_folder(tmp_path / "out", NEW)
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".other"}


def test_an_earlier_export_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", OLD)
    (tmp_path / "out/notes.txt").write_text("mine")
    check_folder(tmp_path / "out")
    write_folder(tmp_path / "out", {"config.yaml": NEW["config.yaml"]})
    assert content(tmp_path / "out") == {"config.yaml": NEW["config.yaml"], "notes.txt": b"mine"}


def test_the_config_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "out", OLD)
    replaced = []
    replace = Path.replace

    def crash_at_the_config(path: Path, target: Path) -> Path:
        if target.name == "config.yaml":
            raise KeyboardInterrupt
        replaced.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", crash_at_the_config)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "out", NEW)
    assert replaced == ["weights.safetensors"]
    assert content(tmp_path / "out") == OLD | {"weights.safetensors": b"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_not_an_export_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    check_folder(tmp_path / "photos")
    (tmp_path / "photos/config.yaml").write_text("of another program")
    with pytest.raises(UserError, match="holds something other than an export"):
        check_folder(tmp_path / "photos")
    with pytest.raises(UserError, match=r"config\.yaml is a file: give a folder"):
        check_folder(tmp_path / "photos/config.yaml")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/out cannot be written: Not a directory"):
        write_folder(tmp_path / "file/out", NEW)


def test_an_export_of_an_earlier_version_is_known(tmp_path: Path) -> None:
    old = HEADER.replace("model", "detector")
    (tmp_path / "config.yaml").write_text(f"{old}export: 1\n")
    assert old != HEADER
    assert is_export(tmp_path)
