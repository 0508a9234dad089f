from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.storage import open_store
from tests.cli.conftest import Nas
from tests.fabricated import Fabric


def test_a_line_a_study(nas: Nas, storage: str) -> None:
    with open_store(storage, create=True) as store:
        Fabric(store, "empty")
    done = nas("ls", "--storage", storage)
    head, cells, empty = done.out.splitlines()
    assert done.status == 0
    assert head.split() == ["study", "state", "trials", "best", "time", "launched"]
    assert cells.split()[:6] == ["cells", "interrupted", "5", "ap", "0.372", "0"]
    assert empty.split()[:4] == ["empty", "interrupted", "0", "-"]


def test_json_holds_what_show_tells_of_each(nas: Nas, storage: str) -> None:
    listed = nas("ls", "--storage", storage, "--json").json
    shown = nas("show", "cells", "--storage", storage, "--json").json
    assert list(listed) == ["studies", "queued"]
    assert [study["study"] for study in listed["studies"]] == ["cells"]
    assert listed["studies"][0].items() <= shown.items()


def test_the_environment_names_the_database(nas: Nas, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STORAGE", storage)
    assert nas("ls").out.splitlines()[1].startswith("cells")


def test_a_database_without_studies(nas: Nas, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    open_store(url, create=True).close()
    assert nas("ls", "--storage", url).out == "no studies yet\n"
    assert nas("ls", "--storage", url, "--json").json == {"studies": [], "queued": []}


def _missing(folder: Path) -> str:
    return f"sqlite:///{folder}/no.db"


def _no_database(folder: Path) -> str:
    (folder / "notes.txt").write_text("no database, but longer than the header of one " * 9)
    return f"sqlite:///{folder}/notes.txt"


def _newer(folder: Path) -> str:
    url = f"sqlite:///{folder}/newer.db"
    open_store(url, create=True).close()
    with sqlite3.connect(folder / "newer.db") as connection:
        connection.execute("UPDATE nas_alembic_version SET version_num = '9999'")
    connection.close()
    return url


UNUSABLE = pytest.mark.parametrize(
    ("made", "message"),
    [
        (_missing, "there is no such database"),
        (_no_database, "file is not a database"),
        (_newer, "was written by a newer version of pyramid-nas (schema 9999)"),
        (lambda folder: "nas.db", "'nas.db' is no database URL"),
        (lambda folder: "mysql://localhost/nas", "SQLite or PostgreSQL, not in mysql"),
    ],
)
"""Databases that no verb can read."""


@UNUSABLE
@pytest.mark.parametrize("words", [["ls"], ["ls", "--json"], ["show", "cells"], ["show", "cells", "1"]], ids=" ".join)
def test_a_database_that_cannot_be_read(
    made: Callable[[Path], str], message: str, words: list[str], refused: Callable[..., str], tmp_path: Path
) -> None:
    assert message in refused(*words, "--storage", made(tmp_path))
