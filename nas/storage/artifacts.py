"""Artifacts: bytes beside the database (weights, a warmed-up backbone), each file named by the SHA-256 of its content.

A file is written before the row that names it is committed, and deleted after the last such row. So a process that is
killed at any instant leaves at worst a file without a row.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from nas.errors import StoreError
from nas.storage.database import Database, insert
from nas.storage.folders import Folder, LocalFolder, folder_name, open_folder
from nas.storage.tables import ARTIFACT

NO_FOLDER = "{} has no folder beside it: give one with `--artifacts DIR`"


class Artifacts:
    """The artifacts of a database, at most one for an owner and kind.

    New ones go to `folder` if given, else to `<stem>-artifacts` beside the SQLite file. Every row has its file's
    folder, so that readers need not know it.
    """

    def __init__(self, database: Database, folder: str | None) -> None:
        self._database = database
        self._folder = folder
        self._folders: dict[str, Folder] = {}

    def put(self, owner: str, kind: str, data: bytes) -> None:
        """Write `data` in place of an earlier artifact of that owner and kind.

        Raises:
            StoreError: there is no folder to write to.
            StoreFailed: it cannot be written, full perhaps. Nothing is left of what was written.
        """
        before = self.find(owner, kind)
        self._database.transaction(lambda connection: self.put_within(connection, owner, kind, data))
        if before is not None:
            self._delete_unnamed(before)

    def put_within(self, connection: Connection, owner: str, kind: str, data: bytes) -> None:
        """Like `put`, in a transaction of the caller's, for an artifact that replaces none."""
        digest = hashlib.sha256(data).hexdigest()
        self._open(self._folder).write(digest, data)
        content = {"sha256": digest, "size": len(data), "folder": self._folder, "created": datetime.now(UTC)}
        connection.execute(
            insert(connection, ARTIFACT)
            .values(owner=owner, kind=kind, **content)
            .on_conflict_do_update(index_elements=["owner", "kind"], set_=content)
        )

    def get(self, owner: str, kind: str) -> bytes | None:
        """The bytes, or None if there are none.

        Raises:
            StoreError: the file is missing or damaged.
        """
        row = self.find(owner, kind)
        return None if row is None else self._content(row)

    def damage(self, owner: str, kind: str) -> str | None:
        """What is wrong with the file of an artifact; None if nothing is, or there is no such artifact."""
        try:
            self.get(owner, kind)
        except StoreError as error:
            return str(error)
        return None

    def _content(self, row: Any) -> bytes:
        folder = self._open(row.folder)
        what = f"the {row.kind} of {row.owner} ({folder.place(row.sha256)})"
        try:
            data = folder.read(row.sha256)
        except StoreError as error:
            raise StoreError(f"{what} cannot be read: {error}") from error
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise StoreError(f"{what} is damaged: its content is not what was written")
        return data

    def find(self, owner: str, kind: str) -> Any:
        """The row of an artifact, or None."""
        return next(iter(self._database.read(select(ARTIFACT).where(_is(owner, kind)))), None)

    def drop(self, owner: str, kind: str) -> None:
        """Delete an artifact, if there is one, and its file unless another artifact has the same bytes."""
        row = self.find(owner, kind)
        self._database.transaction(lambda connection: connection.execute(delete(ARTIFACT).where(_is(owner, kind))))
        if row is not None:
            self._delete_unnamed(row)

    def _delete_unnamed(self, row: Any) -> None:
        """Delete the file of a former row if no row names it. The transaction keeps others from writing such a row."""
        same = and_(ARTIFACT.c.sha256 == row.sha256, ARTIFACT.c.folder.is_not_distinct_from(row.folder))

        def delete_file(connection: Connection) -> None:
            if connection.execute(select(ARTIFACT.c.owner).where(same)).first() is None:
                self._open(row.folder).delete(row.sha256)

        self._database.transaction(delete_file)

    def sweep(self) -> None:
        """Delete what killed processes left half-written in the folder for new artifacts."""
        self._open(self._folder).sweep()

    def _open(self, name: str | None) -> Folder:
        """The folder of that name; None: the one beside the SQLite file."""
        if name is not None:
            if name not in self._folders:
                self._folders[name] = open_folder(name)
            return self._folders[name]
        file = self._database.file
        if file is None:
            raise StoreError(NO_FOLDER.format(self._database.name))
        return LocalFolder(file.with_name(f"{file.stem}-artifacts"))


def artifacts_folder(given: str | Path | None) -> str | None:
    """The name of the folder that a user gives for artifacts, if he does. It is not made.

    Raises:
        StoreError: it cannot be one.
    """
    return None if given is None else folder_name(given)


def _is(owner: str, kind: str) -> ColumnElement[bool]:
    return and_(ARTIFACT.c.owner == owner, ARTIFACT.c.kind == kind)
