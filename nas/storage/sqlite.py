"""SQLite: connections to a file, for writers and for readers, on a read-only mount too."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from nas.errors import StoreError

LOCK_SECONDS = 60
"""How long a statement waits for another writer."""

_READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def connect(file: Path, *, create: bool) -> sqlite3.Connection:
    """A connection to the file, which is made if it is missing and `create` is set.

    Raises:
        StoreError: the file is on a read-only mount, and a log or journal beside it has a part of the data.
        sqlite3.Error: it cannot be opened.
    """
    if create:
        return _opened(file, "mode=rwc")
    try:
        return _opened(file, "mode=rw")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _READ_ONLY:
            raise
    # Write-ahead logging needs two files beside the database, which cannot be made here. Without them SQLite can read
    # a file that nobody changes, but it notices no change and reads no other file.
    for suffix in ("-wal", "-journal"):
        beside = file.with_name(file.name + suffix)
        if beside.exists() and beside.stat().st_size > 0:
            raise StoreError(
                f"{file} cannot be read where nothing can be written: a process that was killed, or still runs, left a "
                f"part of it in {beside.name}; copy both files to a folder that can be written, and read them there"
            )
    return _opened(file, "mode=ro&immutable=1")


def check_writable(file: Path) -> None:
    """Check, without writing, that a database can be made or changed there.

    Raises:
        StoreError: it cannot.
    """
    for path in (file.parent, file):
        if path.exists() and not os.access(path, os.W_OK):
            raise StoreError(f"{path} cannot be written; copy the database to a folder that can, or name another one")


def switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on; the file keeps the setting.

    The switch needs the file alone, and SQLite's timeout does not wait for that.
    """
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _opened(file: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(file))}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, check_same_thread=False)
    try:
        # With the write-ahead log, a commit survives the death of the process without waiting for the disk.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("SELECT name FROM sqlite_master").fetchone()  # the first statement that reads the file
    except BaseException:
        connection.close()
        raise
    return connection
