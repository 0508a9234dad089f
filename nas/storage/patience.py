"""Patience: a database that is away for a while (restarted, its network gone) is waited for.

What it was doing is then done again from the start. The answer to a commit may have been lost on the way, so whatever
is done again first looks for what it wrote, or writes the same a second time (see decisions: done-again).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine, Table, event, exc, select
from sqlalchemy.engine import Connection, ExceptionContext

from nas.errors import StoreFailed, UserError
from nas.storage.address import Address
from nas.text import Say, duration

VARIABLE = "NAS_DATABASE_PATIENCE"
DEFAULT_SECONDS = 300.0

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0

_ANSWERED = ("authentication", "does not exist", "pg_hba.conf", "no password supplied", "not permitted", "certificate")
"""A server that refuses us says one of these. It is there: waiting would not help."""

_ADVICE = "Is the server running on that host"
"""What libpq adds to a refused connection."""

_UNKNOWN_HOST = ("resolve host", "translate host name")

T = TypeVar("T")


class DatabaseAway(StoreFailed):
    """The database does not answer now, but may later."""


class Patience:
    """Waits for one database, with growing pauses and a line each.

    Once the patience is used up, or a wait was interrupted, the next calls try only once: a launch that ends does not
    wait again for each thing that it still wants to write.
    """

    def __init__(self, address: Address, say: Say, limit: float | None = None) -> None:
        """`limit` are the seconds of one wait; None: those of the variable."""
        self._limit = limit
        self._address = address
        self._say = say
        self._reached = False
        self._spent = False
        self._waited = ""

    def run(self, work: Callable[[], T]) -> T:
        """The value of `work`, which is run again while the database is away.

        Raises:
            StoreFailed: the database was away for too long.
        """
        limit = patience_seconds() if self._limit is None else self._limit
        began, pause = time.monotonic(), _FIRST_PAUSE
        waited = False
        while True:
            try:
                value = work()
            except Exception as error:
                reason = self.why_away(error)
                if reason is None:
                    raise
                left = limit - (time.monotonic() - began) if not self._spent else 0.0
                if left <= 0:
                    if not self._spent:
                        variable = f" ({VARIABLE})" if self._limit is None else ""
                        self._waited = f"; it was waited for {duration(limit)}{variable}"
                    self._spent = True
                    raise StoreFailed(
                        f"{reason}{self._waited}. What is finished is kept: the same command goes on once the "
                        "database is back"
                    ) from error
            else:
                self._reached, self._spent, self._waited = True, False, ""
                if waited:
                    self._say(f"{self._address.name} answers again after {duration(time.monotonic() - began)}")
                return value
            waited, pause = True, min(pause, left)
            self._say(f"{reason}; trying again in {pause:.1f} s, for up to {duration(math.ceil(left))}")
            self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _pause(self, seconds: float) -> None:
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            self._spent = True  # what is still to be written on the way out is tried once
            raise

    def watch(self, engine: Engine) -> None:
        """Raise DatabaseAway in place of SQLAlchemy's error, which Optuna would take for a mistake or try again."""

        def handle(context: ExceptionContext) -> None:
            if not context.is_pre_ping and context.sqlalchemy_exception is not None:
                reason = self.why_away(context.sqlalchemy_exception)
                if reason is not None or context.is_disconnect:
                    raise DatabaseAway(reason or self._address.explain(str(context.original_exception)))

        if self._address.file is None:
            event.listen(engine, "handle_error", handle)

    def why_away(self, error: BaseException) -> str | None:
        """One line about a database that is away; None if the error is another one."""
        if isinstance(error, DatabaseAway):
            return str(error)
        cause = error if isinstance(error, exc.DBAPIError) else error.__cause__
        if self._address.file is not None or not isinstance(cause, exc.DBAPIError):
            return None
        message = str(cause.orig).partition(_ADVICE)[0]
        code = getattr(cause.orig, "sqlstate", None)
        if code is not None:
            # Classes of PostgreSQL: a broken connection; the server is being stopped or started.
            away = code.startswith("08") or code in ("57P01", "57P02", "57P03")
        else:
            refused = any(words in message for words in _ANSWERED)
            unknown = not self._reached and any(words in message for words in _UNKNOWN_HOST)
            connecting = isinstance(cause, exc.OperationalError) and cause.statement is None
            away = (connecting and not refused and not unknown) or cause.connection_invalidated
        return self._address.explain(message) if away else None


class Once:
    """A row that is inserted once, though its transaction may run again after a commit whose answer was lost."""

    def __init__(self, table: Table, values: dict[str, Any], same: tuple[str, ...]) -> None:
        """`same` are the columns that tell this row from every other one."""
        self._table = table
        self._values = values
        self._same = [table.c[name] == values[name] for name in same]
        self._tried = False

    def insert(self, connection: Connection) -> None:
        if self._tried and connection.execute(select(self._table.c[0]).where(*self._same)).first() is not None:
            return
        self._tried = True
        connection.execute(self._table.insert().values(**self._values))


def patience_seconds() -> float:
    """How long a database is waited for.

    Raises:
        UserError: the variable is no number of seconds.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text or DEFAULT_SECONDS)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{VARIABLE}: {text!r} is no number of seconds, such as 300; 0 does not wait")
    return seconds
