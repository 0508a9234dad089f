"""RemoteFolder: artifacts where fsspec reaches them by a URL, such as `s3://bucket/prefix`.

Credentials come from the environment or fsspec's own configuration, never from the URL: the database keeps it, so that
readers need not know where the artifacts are.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from uuid import uuid4

from nas.errors import StoreError, StoreFailed

WHAT = "the folder of artifacts"
KEPT = "what is finished is kept"

WHOLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory")
"""Protocols whose writes appear as a whole or not at all. Elsewhere a file is written under another name and moved."""

_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*)(?:://|::)", re.ASCII)
_SECRET = re.compile(r"://[^/@:]*:[^/@]*@|[?&][^=&]*(?:password|secret|token|key|sig)[^=&]*=", re.IGNORECASE)


class RemoteFolder:
    """A folder that fsspec reaches. It is opened at the first use.

    Attributes:
        name: its URL without a slash at the end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._opened: tuple[Any, str] | None = None

    def place(self, file: str) -> str:
        return f"{self.name}/{file}"

    def write(self, file: str, data: bytes) -> None:
        try:
            system, root = self._open()
            if _protocol(self.name) in WHOLE:
                system.pipe_file(f"{root}/{file}", data)
                return
            system.makedirs(root, exist_ok=True)
            temporary = f"{root}/.{file}.{uuid4().hex}"
            try:
                system.pipe_file(temporary, data)
                system.mv(temporary, f"{root}/{file}")
            except BaseException:
                with suppress(Exception):
                    system.rm_file(temporary)
                raise
        except StoreError:
            raise
        except Exception as error:  # each kind of storage has its own
            raise StoreFailed(f"{self.name} cannot be written: {_reason(error)}; {KEPT}") from error

    def read(self, file: str) -> bytes:
        try:
            system, root = self._open()
            return bytes(system.cat_file(f"{root}/{file}"))
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(_reason(error)) from error

    def delete(self, file: str) -> None:
        try:
            system, root = self._open()
            system.rm_file(f"{root}/{file}")
        except FileNotFoundError:
            return
        except StoreError:
            raise
        except Exception as error:
            raise StoreFailed(f"{self.place(file)} cannot be deleted: {_reason(error)}; {KEPT}") from error

    def sweep(self) -> None:
        """Nothing to do: where writes are not whole, what is half-written has a name of its own, and harms nobody."""

    def check(self) -> None:
        """Check, without writing, that the URL can be used, as far as that can be seen.

        Raises:
            StoreError: it cannot.
        """
        try:
            system, root = self._open()
            if _protocol(self.name).startswith("s3"):
                system.info(root.partition("/")[0])
        except FileNotFoundError as error:
            raise StoreError(f"{WHAT}: there is no bucket for {self.name}") from error
        except PermissionError:
            return  # the prefix may be open where its bucket is not
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(f"{WHAT}: {self.name} cannot be reached: {_reason(error)}") from error

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            from fsspec.core import url_to_fs

            try:
                system, root = url_to_fs(self.name)
            except ImportError as error:
                extra = "; `pip install pyramid-nas[s3]` brings it" if _protocol(self.name).startswith("s3") else ""
                raise StoreError(f"{WHAT}: {self.name} needs a package: {_reason(error)}{extra}") from error
            except ValueError as error:
                raise StoreError(f"{WHAT}: {self.name}: {_reason(error)}") from error
            self._opened = system, root.rstrip("/")
        return self._opened


def is_url(text: str) -> bool:
    """Whether `text` is a URL of fsspec and no path."""
    return _URL.match(text) is not None


def check_url(url: str) -> None:
    """Check that a URL may be kept as the place of artifacts.

    Raises:
        StoreError: it holds a secret, or what no message could show.
    """
    if not url.isprintable():
        raise StoreError(f"{WHAT}: a URL may hold no control characters")
    if _SECRET.search(url):
        raise StoreError(
            f"{WHAT}: the database would keep the password, key or token in this {_protocol(url)} URL; leave it out, "
            "and give credentials by the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for S3) or by "
            "fsspec's configuration"
        )


def _protocol(url: str) -> str:
    found = _URL.match(url)
    assert found is not None
    return found["protocol"].lower()


def _reason(error: Exception) -> str:
    """The error in a line."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text or type(error).__name__
