from __future__ import annotations

from pathlib import Path

import pytest

from nas.service.settings import Settings

HOOKS = Settings(storage="sqlite:///nas.db", notify=("https://hooks.test/nas", "http://localhost:9000/"))


@pytest.mark.parametrize(
    "url",
    ["https://hooks.test/nas", "https://hooks.test/nas/a?b=c", "http://localhost:9000/x", "http://localhost:9000"],
)
def test_a_url_below_an_allowed_one_may_be_notified(url: str) -> None:
    assert HOOKS.may_notify(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.test/nas", "https://hooks.test/nasty", "https://hooks.test/", "https://hooks.test:444/nas"),
        *("https://hooks.test.evil.test/nas", "https://evil.test/https://hooks.test/nas", "file:///etc/passwd", ""),
        *("https://hooks.test@evil.test/nas", "https://user@hooks.test/nas", "https://hooks.test/nas/../x"),
        *("https://hooks.test\\@evil.test/nas", "http://localhost:9001/x", "gopher://hooks.test/nas", "http://["),
        "https://hooks.test:port/nas",
    ],
)
def test_nothing_else_may(url: str) -> None:
    assert not HOOKS.may_notify(url)
    assert not Settings(storage="sqlite:///nas.db").may_notify(url)


def test_paths_and_passwords_are_hidden(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    settings = Settings(
        storage="postgresql+psycopg://me:s3cret@db.internal/nas",
        data_roots=(root,),
        artifacts=str(tmp_path / "weights"),
    )
    text = f"{root}/cells/a.png and {tmp_path}/weights/ab and {Path.home()}/x: me:s3cret, {settings.storage}"
    shown = settings.redact(text)
    assert shown.startswith("cells/a.png and the artifacts/ab and ")
    assert not any(word in shown for word in (str(tmp_path), "s3cret", "db.internal"))
    assert "s3cret" not in repr(settings)


def test_a_database_file_is_the_study_database(tmp_path: Path) -> None:
    settings = Settings(storage=f"sqlite:///{tmp_path}/nas.db")
    assert settings.redact(f"sqlite:///{tmp_path}/nas.db: no room") == "the study database: no room"
    assert str(tmp_path) not in settings.redact(f"{tmp_path}/nas.db-wal, {tmp_path}/x")
