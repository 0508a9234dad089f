"""Folders: where the files of artifacts lie. One on this machine's disks, or any that fsspec reaches by a URL.

A file is named by the hash of its content, so that it is written once and never changed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from nas.errors import StoreError, StoreFailed
from nas.files import sweep, write_whole
from nas.storage.address import plain_path
from nas.storage.remote import KEPT, WHAT, RemoteFolder, check_url, is_url

_HASH = "[0-9a-f]{64}"
_LOCAL = re.compile(r"(?:file|local)://(?:localhost)?(?P<path>/.*)")


class Folder(Protocol):
    """A place for files. `name` is its path or URL, as the database keeps it and messages show it."""

    name: str

    def place(self, file: str) -> str:
        """The path or URL of a file, for messages."""

    def write(self, file: str, data: bytes) -> None:
        """Write a file as a whole, or nothing.

        Raises:
            StoreFailed: it cannot be written, full perhaps.
        """

    def read(self, file: str) -> bytes:
        """The content of a file.

        Raises:
            StoreError: it cannot be read; the message is the reason alone.
        """

    def delete(self, file: str) -> None:
        """Delete a file, if it is there."""

    def sweep(self) -> None:
        """Delete what processes left half-written that were killed."""

    def check(self) -> None:
        """Check, without writing, that it can be used, as far as that can be seen.

        Raises:
            StoreError: it cannot.
        """


class LocalFolder:
    """A folder on this machine's disks, which is made when the first file is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def place(self, file: str) -> str:
        return str(self.path / file)

    def write(self, file: str, data: bytes) -> None:
        try:
            write_whole(self.path / file, lambda out: out.write(data), alone=False)
        except OSError as error:
            raise StoreFailed(f"{self.name} cannot be written: {error.strerror}; {KEPT}") from error

    def read(self, file: str) -> bytes:
        try:
            return (self.path / file).read_bytes()
        except OSError as error:
            raise StoreError(error.strerror or str(error)) from error

    def delete(self, file: str) -> None:
        (self.path / file).unlink(missing_ok=True)

    def sweep(self) -> None:
        sweep(self.path, _HASH)

    def check(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file, and no folder that artifacts could be kept in")


def open_folder(name: str) -> Folder:
    """The folder of that name, as `folder_name` returned it."""
    return RemoteFolder(name) if is_url(name) else LocalFolder(Path(name))


def folder_name(given: str | Path) -> str:
    """The name of a folder that a user gives for artifacts, a path or a URL. It is not made.

    Raises:
        StoreError: it cannot be one.
    """
    text = str(given)
    if is_url(text):
        local = _LOCAL.fullmatch(text)
        if local is None:
            check_url(text)
            return text.rstrip("/")
        text = unquote(local["path"])
    folder = LocalFolder(plain_path(text, WHAT))
    with suppress(OSError):
        folder.check()
    return folder.name
