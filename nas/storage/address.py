"""Address: where a study database is, as a user writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, exc, make_url

from nas.errors import StoreError

_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///(?P<path>.*)", re.DOTALL)
_OPTIONS = re.compile(r"\?\w+=[^?]*\Z")
_PASSWORD = re.compile(r"(?P<before>://[^:/@]*:)[^?]*(?P<after>@)|(?P<key>[?&]\w*password=)[^&]*")


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes:
        name: the URL as it was typed, without a password: for messages.
        url: the same for SQLAlchemy.
        file: the file of an SQLite database, absolute; None for PostgreSQL.
    """

    name: str
    url: URL
    file: Path | None

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that a URL names. Nothing is opened.

        The path of an SQLite file is taken literally, `%`, `?` and `#` included: this is no web address.

        Raises:
            StoreError: it is no such URL, or a study there would not outlive its process.
        """
        name = _without_password(text)
        sqlite = _SQLITE.fullmatch(text)
        if sqlite is not None:
            file = _sqlite_file(sqlite["path"], name)
            return cls(name, URL.create("sqlite", database=str(file)), file)
        if re.match(r"sqlite\b", text):
            raise StoreError(
                f"{printable(name)}: a study must outlive its process; name a file behind three slashes, as in "
                "sqlite:///nas.db"
            )
        return cls(name, _server(text, name), None)

    def explain(self, message: str) -> str:
        """A message of the database in one line, which begins with its name and shows no password."""
        return f"{self.name}: {_without_password(' '.join(message.split()))}"


def plain_path(text: str, what: str) -> Path:
    """The absolute path that `text` names; `~` is the home folder.

    Raises:
        StoreError: it has characters that a message or a log cannot show. `what` begins the sentence.
    """
    if printable(text) != text:
        raise StoreError(f"{what}: a path may hold no control characters and must be UTF-8 text")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise StoreError(f"{what}: there is no home folder that {text.partition('/')[0]} could mean") from None


def printable(text: str) -> str:
    """The text with escapes in place of control characters and of bytes that are not UTF-8."""
    return "".join(repr(c)[1:-1] if ord(c) < 32 or 127 <= ord(c) < 160 or "\ud800" <= c < "\ue000" else c for c in text)


def _without_password(url: str) -> str:
    return _PASSWORD.sub(lambda m: f"{m['key']}***" if m["key"] else f"{m['before']}***{m['after']}", url)


def _sqlite_file(path: str, name: str) -> Path:
    if path in ("", ":memory:"):
        raise StoreError(f"{name}: a study must outlive its process; name a file, as in sqlite:///nas.db")
    options = _OPTIONS.search(path)
    if options is not None:
        raise StoreError(f"{printable(name)}: SQLite takes no options here; leave {printable(options[0])} out")
    return plain_path(path, printable(name))


def _server(text: str, name: str) -> URL:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
        if backend != "postgresql":
            raise StoreError(f"{name}: studies are kept in SQLite or PostgreSQL, not in {backend}")
        url.get_dialect()
    except (exc.ArgumentError, ValueError):
        raise StoreError(
            f"{printable(name)!r} is no database URL; write `sqlite:///FILE` or `postgresql+psycopg://...`"
        ) from None
    if "@" in (url.host or ""):
        raise StoreError(f"{name}: write @ in a password as %40")
    return url
