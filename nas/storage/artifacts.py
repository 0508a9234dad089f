"""Artifacts: bytes beside the database (weights, a warmed-up backbone), each file named by the SHA-256 of its content.

The file is on the disk before the row that speaks of it is committed, and goes after the last such row. So a process
killed at any instant leaves at worst a file that nobody speaks of.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, select

from nas.errors import StoreError
from nas.files import write_whole
from nas.storage.address import plain_path
from nas.storage.database import Database, insert
from nas.storage.records import ArtifactRecord
from nas.storage.tables import ARTIFACT


class Artifacts:
    """The artifacts of a database, at most one for an owner and kind.

    New ones go to `folder` if given, else to `<stem>-artifacts` beside the SQLite file. Every row tells where its file
    went, so that readers need not know.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder

    def put(self, owner: str, kind: str, data: bytes) -> ArtifactRecord:
        """Write `data`; an earlier artifact of that owner and kind is replaced.

        Raises:
            StoreError: there is no folder to write to, or it cannot be written.
        """
        before = self.find(owner, kind)
        with self._database.write() as connection:
            record = self.put_within(connection, owner, kind, data)
        if before is not None and before != record:
            self._sweep(before)
        return record

    def put_within(self, connection: Connection, owner: str, kind: str, data: bytes) -> ArtifactRecord:
        """As `put`, in a transaction of the caller's, for an artifact that replaces none.

        Raises:
            StoreError: there is no folder to write to, or it cannot be written.
        """
        folder = None if self._folder is None else str(self._folder)
        digest = hashlib.sha256(data).hexdigest()
        _write(self._path(folder, digest), data)
        record = ArtifactRecord(owner=owner, kind=kind, sha256=digest, size=len(data), folder=folder)
        content = {"sha256": digest, "size": len(data), "folder": folder, "created": datetime.now(UTC)}
        connection.execute(
            insert(connection, ARTIFACT)
            .values(owner=owner, kind=kind, **content)
            .on_conflict_do_update(index_elements=["owner", "kind"], set_=content)
        )
        return record

    def get(self, owner: str, kind: str) -> bytes | None:
        """The bytes, or None if there are none.

        Raises:
            StoreError: the file is missing or damaged.
        """
        record = self.find(owner, kind)
        if record is None:
            return None
        path = self._path(record.folder, record.sha256)
        what = f"the {kind} of {owner} ({path})"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{what} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise StoreError(f"{what} is damaged: its content is not what was written")
        return data

    def find(self, owner: str, kind: str) -> ArtifactRecord | None:
        rows = self._database.read(select(ARTIFACT).where(ARTIFACT.c.owner == owner, ARTIFACT.c.kind == kind))
        return _record(rows[0]) if rows else None

    def drop(self, owner: str, kind: str) -> None:
        """Forget the artifact, if there is one, and its file unless another artifact has the same bytes."""
        with self._database.write() as connection:
            gone = delete(ARTIFACT).where(ARTIFACT.c.owner == owner, ARTIFACT.c.kind == kind).returning(ARTIFACT)
            row = connection.execute(gone).first()
        if row is not None:
            self._sweep(_record(row))

    def _sweep(self, record: ArtifactRecord) -> None:
        """Delete the record's file if no row speaks of it, in a transaction: nobody may write that row meanwhile."""
        same = select(ARTIFACT.c.owner).where(
            ARTIFACT.c.sha256 == record.sha256, ARTIFACT.c.folder.is_not_distinct_from(record.folder)
        )
        with self._database.write() as connection:
            if connection.execute(same).first() is None:
                self._path(record.folder, record.sha256).unlink(missing_ok=True)

    def _path(self, folder: str | None, digest: str) -> Path:
        if folder is not None:
            return Path(folder) / digest
        file = self._database.file
        if file is None:
            raise StoreError(f"{self._database.name} has no folder beside it: give one with `--artifacts DIR`")
        return file.with_name(f"{file.stem}-artifacts") / digest


def artifacts_folder(path: Path | None) -> Path | None:
    """The absolute folder that a user names for artifacts, if he does. Nothing is made.

    Raises:
        StoreError: it cannot be one.
    """
    if path is None:
        return None
    folder = plain_path(str(path), "the folder of artifacts")
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file, and no folder that artifacts could be kept in")
    return folder


def _record(row: Any) -> ArtifactRecord:
    return ArtifactRecord(owner=row.owner, kind=row.kind, sha256=row.sha256, size=row.size, folder=row.folder)


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, lambda file: file.write(data), mark=f".{uuid4().hex}")
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be written: {error.strerror}") from error
