from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.storage import open_store
from nas.storage.tokens import SCOPES, Tokens


def test_a_token_is_found_by_its_text_until_it_is_revoked(url: str) -> None:
    with open_store(url, create=True) as store:
        tokens = Tokens.of(store)
        assert not tokens.any()
        token, text = tokens.create("write", "ci")
        assert tokens.any()
        assert tokens.find(text) == token
        assert tokens.find(text[:-1] + ("a" if text[-1] != "a" else "b")) is None
        assert [tokens.find(other) for other in ("", "nas_", token.id, f"nas_{'0' * 8}_{'x' * 43}")] == [None] * 4
        assert tokens.revoke(token.id).revoked is not None
        assert (tokens.find(text), tokens.any()) == (None, False)
        assert [found.id for found in tokens.all()] == [token.id]
        with pytest.raises(UserError, match="there is no token 'nobody'; `nas token ls` lists them"):
            tokens.revoke("nobody")


def test_scopes_contain_one_another(url: str) -> None:
    with open_store(url, create=True) as store:
        made = [Tokens.of(store).create(scope)[0] for scope in SCOPES]
        assert [[token.allows(scope) for scope in SCOPES] for token in made] == [
            [True, False, False],
            [True, True, False],
            [True, True, True],
        ]


def test_no_secret_is_stored(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        token, text = Tokens.of(store).create("read")
        session = Tokens.of(store).open_session(token)
    connection = sqlite3.connect(tmp_path / "nas.db")
    dumped = "\n".join(connection.iterdump())
    connection.close()
    assert token.id in dumped
    assert text.removeprefix(f"nas_{token.id}_") not in dumped
    assert session not in dumped


def test_a_session_ends_with_logout_revocation_and_time(url: str) -> None:
    with open_store(url, create=True) as store:
        tokens = Tokens.of(store)
        token, _ = tokens.create("read")
        first, second, third = (tokens.open_session(token) for _ in range(3))
        assert tokens.session(first) == token
        tokens.close_session(first)
        assert tokens.session(first) is None
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE nas_session SET expires = '2020-01-01 00:00:00'")
        assert tokens.session(second) is None
        fourth = tokens.open_session(token)
        assert tokens.session(fourth) == token
        tokens.revoke(token.id)
        assert [tokens.session(secret) for secret in (third, fourth)] == [None, None]
