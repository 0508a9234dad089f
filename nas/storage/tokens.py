"""Tokens: who may use the service, and for what. Only hashes of secrets are stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import Field
from sqlalchemy import Connection, delete, select, update

from nas.errors import UserError
from nas.storage.database import Database, clock
from nas.storage.patience import Once
from nas.storage.store import Store
from nas.storage.tables import SESSION, TOKEN
from nas.value import Value

Scope = Literal["read", "write", "admin"]
"""What a token allows: to look; to post, cancel and resume studies too; to delete all and make tokens too."""

SCOPES: tuple[Scope, ...] = ("read", "write", "admin")

SESSION_HOURS = 12

_FORM = re.compile(r"nas_(?P<id>[0-9a-f]{8})_(?P<secret>[0-9A-Za-z_-]{43})")


class Token(Value):
    """A token, without its secret."""

    id: str
    name: str = Field(max_length=200)
    scope: Scope
    created: datetime
    revoked: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether the token has that scope or a wider one."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


class Tokens:
    """The tokens and the sessions of browsers in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, store: Store) -> Self:
        """The tokens in the database of a store."""
        return cls(store.database)

    def create(self, scope: Scope, name: str = "") -> tuple[Token, str]:
        """A new token, and the text that a user gets, which is stored nowhere."""
        number, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        values = {"id": number, "name": name, "hash": _hash(secret), "scope": scope, "created": self._database.now()}
        row = Once(TOKEN, values, ("id", "hash"))
        self._database.transaction(row.insert)
        return Token(id=number, name=name, scope=scope, created=values["created"]), f"nas_{number}_{secret}"

    def all(self) -> list[Token]:
        """Every token, the oldest first, the revoked ones too."""
        return [_token(row) for row in self._database.read(select(TOKEN).order_by(TOKEN.c.created, TOKEN.c.id))]

    def any(self) -> bool:
        """Whether there is a token that is not revoked."""
        return bool(self._database.read(select(TOKEN.c.id).where(TOKEN.c.revoked.is_(None)).limit(1)))

    def find(self, text: str) -> Token | None:
        """The token of that text; None if there is none, or it was revoked."""
        form = _FORM.fullmatch(text)
        rows = self._database.read(select(TOKEN).where(TOKEN.c.id == form["id"])) if form else []
        for row in rows:
            if form and hmac.compare_digest(row.hash, _hash(form["secret"])) and row.revoked is None:
                return _token(row)
        return None

    def revoke(self, number: str) -> Token:
        """Let a token, and the sessions that began with it, open nothing more.

        Raises:
            UserError: there is no such token.
        """

        def write(connection: Connection) -> None:
            connection.execute(delete(SESSION).where(SESSION.c.token == number))
            first = TOKEN.c.id == number, TOKEN.c.revoked.is_(None)
            connection.execute(update(TOKEN).where(*first).values(revoked=clock(connection)))

        self._database.transaction(write)
        found = [token for token in self.all() if token.id == number]
        if not found:
            raise UserError(f"there is no token {number!r}; `nas token ls` lists them")
        return found[0]

    # Sessions of browsers

    def open_session(self, token: Token) -> str:
        """The secret of a new session, for a cookie. Sessions that have ended are forgotten."""
        secret, now = secrets.token_urlsafe(32), self._database.now()
        values = {"hash": _hash(secret), "token": token.id, "expires": now + timedelta(hours=SESSION_HOURS)}
        row = Once(SESSION, values, ("hash",))

        def write(connection: Connection) -> None:
            connection.execute(delete(SESSION).where(SESSION.c.expires <= now))
            row.insert(connection)

        self._database.transaction(write)
        return secret

    def session(self, secret: str) -> Token | None:
        """The token that a session began with; None if the session has ended or the token was revoked."""
        query = select(TOKEN, SESSION.c.expires).join(SESSION).where(SESSION.c.hash == _hash(secret))
        for row in self._database.read(query):
            if row.revoked is None and row.expires > self._database.now():
                return _token(row)
        return None

    def close_session(self, secret: str) -> None:
        """End a session, if there is one."""
        ended = delete(SESSION).where(SESSION.c.hash == _hash(secret))
        self._database.transaction(lambda connection: connection.execute(ended))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: object) -> Token:
    return Token.model_validate({name: getattr(row, name) for name in Token.model_fields})
