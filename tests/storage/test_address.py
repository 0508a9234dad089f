from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.errors import StoreError
from nas.storage import open_store
from nas.storage.address import Address
from tests.storage import samples

TYPED = [
    "100%.db",
    "a%20b.db",
    "what?.db",
    "what?/nas.db",
    "a#b.db",
    "a b.db",
    "{x}.db",
    "a@b:c.db",
    "größe-日本-🚀.db",
    "file:nas.db",
    "&+=.db",
]
"""Names of files that a URL would read otherwise."""


@pytest.mark.parametrize("typed", TYPED)
def test_what_was_typed_is_where_it_goes(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, Optuna's half and the artifacts; by an absolute path and by a relative one."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / typed
    file.parent.mkdir(exist_ok=True)
    with open_store(f"sqlite:///{typed}", create=True) as store:
        samples.with_study(store)
        assert store.optuna.get_all_studies() == []
        store.put_artifact("pets", "backbone", b"bytes")
    artifacts = file.with_name(f"{file.stem}-artifacts")
    assert sorted(path for path in file.parent.iterdir() if path.is_file()) == [file]
    assert len(list(artifacts.iterdir())) == 1
    with open_store(f"sqlite:///{file}", create=False) as store:
        assert [study.name for study in store.studies()] == ["pets"]
        assert store.optuna.get_all_studies() == []
        assert store.get_artifact("pets", "backbone") == b"bytes"


@pytest.mark.parametrize("typed", ["100% ?kept#", "日本 🚀", "{x}"])
def test_artifacts_go_where_was_typed(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///nas.db", create=True, artifacts=Path(typed)) as store:
        store.put_artifact("pets", "backbone", b"bytes")
    assert len(list((tmp_path / typed).iterdir())) == 1


def test_the_home_folder_is_meant_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell leaves it as it is within a word."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_store("sqlite:///~/nas.db", create=True, artifacts=Path("~/kept")) as store:
        store.put_artifact("pets", "backbone", b"bytes")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "nas.db"]


def test_a_tilde_in_the_middle_is_a_letter(tmp_path: Path) -> None:
    assert Address.parse(f"sqlite:///{tmp_path}/~/nas.db").file == tmp_path / "~" / "nas.db"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///nas.db?mode=ro", r"SQLite takes no options here; leave \?mode=ro out"),
        ("sqlite:///file:nas.db?mode=ro&uri=true", r"leave \?mode=ro&uri=true out"),
        ("sqlite:///a\nb.db", r"sqlite:///a\\nb\.db: a path may hold no control characters"),
        ("sqlite:///a\0b.db", r"a path may hold no control characters"),
        ("sqlite:///" + os.fsdecode(b"a\xff.db"), r"must be UTF-8 text"),
        ("sqlite://nas.db", "name a file behind three slashes, as in sqlite:///nas.db"),
        ("sqlite:nas.db", "name a file behind three slashes"),
        ("sqlite+aiosqlite:///nas.db", "name a file behind three slashes"),
        ("sqlite:///~nobody-of-that-name/nas.db", "there is no home folder"),
        ("sqlite:///.", "is a folder; name a file in it"),
        ("postgresql://me:se@cret@host/db", "write @ in a password as %40"),
        ("postgresql://me:secret@host:port/db", "is no database URL"),
    ],
)
def test_what_is_refused(url: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=sentence) as error:
        open_store(url, create=True)
    assert "\n" not in str(error.value)
    assert "cret" not in str(error.value)
    str(error.value).encode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["a\nb", os.fsdecode(b"a\xff")])
def test_artifacts_that_no_message_could_name(folder: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the folder of artifacts: a path may hold no control characters"):
        open_store(f"sqlite:///{tmp_path}/nas.db", create=True, artifacts=tmp_path / folder)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_of_artifacts(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(StoreError, match="kept is a file, and no folder"):
        open_store(f"sqlite:///{tmp_path}/nas.db", create=True, artifacts=tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://me:se:cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:a/b@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?user=me&password=secret&port=1", "postgresql://host/db?user=me&password=***&port=1"),
        ("postgresql://host/db?sslpassword=secret", "postgresql://host/db?sslpassword=***"),
    ],
)
def test_no_message_shows_a_password(url: str, name: str) -> None:
    assert Address.parse(url).name == name
