"""An export's folder: written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from uuid import uuid4

from nas.errors import UserError
from nas.exports.config import CONFIG, is_export


def check_folder(directory: Path) -> None:
    """Whether an export may be written there.

    Raises:
        UserError: it is a file, or a folder with something else in it.
    """
    try:
        if directory.is_dir() and any(directory.iterdir()) and not is_export(directory):
            raise UserError(f"{directory} holds something other than an export: give a new or empty folder")
    except OSError as error:
        raise UserError(f"{directory} cannot be read: {error.strerror}") from None
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file: give a folder")


def write_folder(directory: Path, files: Mapping[str, bytes], known: Collection[str]) -> None:
    """Put `files` there; those of an earlier export (`known` names) are replaced or removed, others left alone.

    A new folder appears at once. In an old one the config comes last, and it tells the hash of its weights: whatever
    a crash leaves behind is either an export or refused by `load`.

    Raises:
        UserError: it cannot be written.
    """
    # The real path: `.` has no name for a sibling.
    directory = directory.resolve()
    temporary = directory.with_name(f".{directory.name}.{uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        try:
            for name, data in files.items():
                (temporary / name).write_bytes(data)
            if not directory.exists():
                temporary.rename(directory)
                return
            for name in sorted(files, key=lambda name: name == CONFIG):
                (temporary / name).replace(directory / name)
            for name in set(known) - set(files):
                (directory / name).unlink(missing_ok=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{directory} cannot be written: {error.strerror}") from None
