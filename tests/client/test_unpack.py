from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from nas.client.answers import ServerFailed
from nas.client.unpack import FILES, unpack
from nas.errors import UserError
from nas.exports.files import ALL_FILES


def packed(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return data.getvalue()


def test_the_files_are_those_of_an_export() -> None:
    assert set(FILES) == set(ALL_FILES)


def test_an_export_does_not_leave_its_folder(tmp_path: Path) -> None:
    for names in (["a/../../x"], ["../x"], ["/etc/x"], ["a/.."], ["a/b/c"], ["a/b\\c"], ["x"], ["a/x", "b/x"], []):
        with pytest.raises(ServerFailed, match="no export"):
            unpack(packed(*names), tmp_path / "out")
    with pytest.raises(ServerFailed, match="no zip"):
        unpack(b"x", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert unpack(packed("a/config.yaml", "a/model.py"), tmp_path / "out") == ["config.yaml", "model.py"]
    assert unpack(packed("a/config.yaml"), tmp_path / "out") == ["config.yaml"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["config.yaml"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    with pytest.raises(UserError, match="holds something other than an export"):
        unpack(packed("a/config.yaml"), tmp_path / "other")
