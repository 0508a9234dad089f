"""The folder of an export, which is written as a whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.exports.config import ExportConfig, is_export
from nas.exports.files import ALL_FILES, CONFIG
from nas.files import sweep, temporary_name


def file_names(directory: Path) -> set[str]:
    """Names of what is in a folder, which may be missing. Raises UserError if it cannot be read."""
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file: give a folder")
    try:
        return {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    except OSError as error:
        raise UserError(f"{directory} cannot be read: {error.strerror}") from None


def summary(directory: Path, config: ExportConfig) -> dict[str, Any]:
    """What `export` and `train` return about an export."""
    return {
        "study": config.study,
        "trial": config.trial,
        "digest": config.digest,
        "metrics": config.metrics,
        "directory": str(directory),
        "files": sorted(file_names(directory).intersection(ALL_FILES)),
    }


def check_folder(directory: Path) -> None:
    """Raise UserError unless `directory` is missing, empty or an export."""
    if file_names(directory) and not is_export(directory):
        raise UserError(f"{directory} holds something other than an export: give a new or empty folder")


def write_folder(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` to `directory`. Files of an earlier export are replaced or removed, all others stay.

    A new folder appears as a whole. In an existing one the config is written last. It holds the hash of the weights,
    so that `load` refuses what a crash left half-written. What a killed process left beside it is deleted.

    Raises:
        UserError: the folder cannot be written.
    """
    directory = directory.resolve()  # `.` has no name for a sibling
    temporary = temporary_name(directory)
    sweep(directory.parent, re.escape(directory.name))
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
            for name in set(ALL_FILES) - set(files):
                (directory / name).unlink(missing_ok=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{directory} cannot be written: {error.strerror}") from None
