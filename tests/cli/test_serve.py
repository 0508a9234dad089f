"""nas serve and nas token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.service.settings import Settings
from nas.storage import open_store
from nas.storage.tokens import Tokens
from tests.cli.conftest import Nas


def test_a_token_is_printed_alone_and_opens_the_door(nas: Nas, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    made = nas("token", "create", "--scope", "write", "--name", "ci", "--storage", url)
    assert (made.status, made.err, made.out.count("\n")) == (0, "", 1)
    with open_store(url, create=False) as store:
        token = Tokens.of(store).find(made.out.strip())
    assert token is not None
    assert (token.scope, token.name) == ("write", "ci")
    listed = nas("token", "ls", "--storage", url)
    assert [line.split()[:2] for line in listed.out.splitlines()] == [["id", "scope"], [token.id, "write"]]
    assert made.out.strip() not in listed.out
    assert nas("token", "revoke", token.id, "--storage", url).out == f"token {token.id} opens nothing more\n"
    assert nas("token", "ls", "--json", "--storage", url).json["tokens"][0]["revoked"] is not None


def test_a_token_as_json(nas: Nas, tmp_path: Path) -> None:
    made = nas("token", "create", "--json", "--storage", f"sqlite:///{tmp_path}/nas.db").json
    assert (made["scope"], made["text"][:13]) == ("read", f"nas_{made['id']}_")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["revoke"], "nas token revoke needs the ID of a token"),
        (["revoke", "00"], "there is no token '00'; `nas token ls` lists them"),
        (["ls", "00"], "nas token ls takes no ID"),
        (["make"], "invalid choice: 'make'"),
    ],
)
def test_wrong_words_about_tokens(refused: Callable[..., str], storage: str, words: list[str], message: str) -> None:
    Path("made").touch()
    with open_store(storage, create=True):
        pass  # of the newest schema, so that nothing is left to write
    assert message in refused("token", *words, "--storage", storage)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_without_a_token_it_serves_this_machine_alone(refused: Callable[..., str], storage: str, host: str) -> None:
    with open_store(storage, create=True):
        pass
    message = refused("serve", "--host", host, "--port", "0", "--storage", storage)
    assert f"without a token, {host} would be open to whoever reaches it: make one with `nas token create" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data-root", "missing"], "--data-root missing: there is no such folder"),
        (["--notify", "https://hooks.example.com"], "--notify needs a key that signs the messages: set NAS_NOTIFY_KEY"),
        (["--port", "70000"], "cannot listen on port 70000"),
        (["--jobs", "-1"], "should be a whole number from 0 to 1000"),
        (["--storage", "sqlite:///missing/nas.db"], "the folder"),
        (["--storage", "mysql://u:s3cret@h/d"], "studies are kept in SQLite or PostgreSQL"),
    ],
)
def test_wrong_words_about_the_service(
    refused: Callable[..., str], storage: str, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NAS_NOTIFY_KEY", raising=False)
    with open_store(storage, create=True):
        pass
    said = refused("serve", "--storage", storage, *words)
    assert message in said
    assert "s3cret" not in said


def test_the_options_become_settings(nas: Nas, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("nas.service.serve.serve", lambda *given: asked.append(given))
    monkeypatch.setenv("NAS_NOTIFY_KEY", "k")
    words = ["--data-root", tmp_path, "--jobs", "3", "--notify", "https://x.test/a", "--optuna-writes", "--port", "1"]
    assert nas("serve", "--storage", storage, *words).status == 0
    expected = Settings(
        storage=storage,
        data_roots=(tmp_path,),
        jobs=3,
        notify=("https://x.test/a",),
        notify_key="k",
        optuna_writes=True,
    )
    assert asked == [(expected, "127.0.0.1", 1)]
    assert storage not in repr(expected)
