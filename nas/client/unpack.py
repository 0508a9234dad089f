"""unpack: the zip of an export as a folder. Nothing outside of the folder is written, whatever the zip says."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path
from uuid import uuid4

from nas.client.answers import ServerFailed
from nas.errors import UserError

CONFIG = "config.yaml"

FILES = (
    *(CONFIG, "weights.safetensors", "model.py", "model.onnx", "model-nms.onnx", "model.pt2"),
    *("torchvision_model.py", "timm_model.py", "hf_model.py", "config.json", "model.safetensors"),
    *("ultralytics_model.py", "ultralytics_model.yaml"),
    *("README.md", "drawing.svg", "curve.csv", "study.md", "checkpoint.pt", ".checkpoint.pt", ".curve.csv"),
)
"""The files of an export, as `nas.exports.files` has them: that room needs torch."""

_MEANING = {"", ".", ".."}

MOST_BYTES = 8 * 2**30


def unpack(data: bytes, directory: Path) -> list[str]:
    """Write an export to a new or empty folder, or in place of an earlier export. Returns the names of its files.

    Raises:
        UserError: the folder holds something else, or cannot be written.
        ServerFailed: this is no zip of an export.
    """
    files = _files(data)
    check(directory)
    directory = directory.resolve()
    temporary = directory.with_name(f".{directory.name}.{uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        if directory.exists():
            for name in sorted(files, key=lambda name: name == CONFIG):
                (temporary / name).replace(directory / name)
            for name in set(FILES) - set(files):
                (directory / name).unlink(missing_ok=True)
        else:
            temporary.rename(directory)
    except OSError as error:
        raise UserError(f"{directory} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sorted(files)


def check(directory: Path) -> None:
    """Check that a folder is missing, empty or an export.

    Raises:
        UserError: it is not.
    """
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file: give a folder")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / CONFIG).is_file():
        raise UserError(f"{directory} holds something other than an export: give a new or empty folder")


def _files(data: bytes) -> dict[str, bytes]:
    """The files of a zip by name: all in one folder, none in a folder of its own."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
        names = [entry.filename.split("/") for entry in entries]
        plain = all(len(name) == 2 and not _MEANING.intersection(name) and "\\" not in name[1] for name in names)
        small = sum(entry.file_size for entry in entries) <= MOST_BYTES
        if not plain or not small or len({name[0] for name in names}) != 1 or CONFIG not in [name[1] for name in names]:
            raise ServerFailed("the service sent a zip that is no export")
        return {name[1]: archive.read(entry) for name, entry in zip(names, entries, strict=True)}
    except zipfile.BadZipFile:
        raise ServerFailed("the service sent no zip") from None
