"""What is taken away: a trained architecture as a zip, a study as a report.

`nas export` and `nas report` write them, in processes of their own (see decisions: exports-in-a-process).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args

from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from nas.files import stem_of
from nas.service.problems import Refusal, content, responses
from nas.service.routes.common import Chosen, Lent, Name, launched
from nas.service.settings import Settings
from nas.studies.spec import Format

ROUTERS = [router := APIRouter(prefix="/v1/studies/{name}", tags=["results"])]

AT_A_TIME = 2
"""How many such processes run at a time."""

TIMEOUT_SECONDS = 600

_DEFAULT = "Default: config, weights, and the study's"

_room = threading.BoundedSemaphore(AT_A_TIME)


@router.get("/export", response_class=FileResponse, responses=content("application/zip") | responses(404, 422, 503))
def export_study(
    name: Name,
    store: Lent,
    settings: Chosen,
    formats: Annotated[
        list[Format],
        Query(alias="format", max_length=len(get_args(Format)), description=_DEFAULT),
    ] = [],  # noqa: B006
    trial: Annotated[int | None, Query(ge=0, lt=2**31, description="Default: the winner, else the best")] = None,
) -> Response:
    """A trained architecture with its card, as `nas export` writes it, in any of its formats."""
    launched(store, name)
    words = ["--format", ",".join(formats)] if formats else []
    words += ["--trial", str(trial)] if trial is not None else []

    def write(folder: Path) -> Path:
        _run("export", name, folder / stem_of(name), words, settings)
        return _zipped(folder / stem_of(name))

    return _written(write, "application/zip")


@router.get("/report", response_class=FileResponse, responses=content("text/html") | responses(404, 422, 503))
def report_study(name: Name, store: Lent, settings: Chosen) -> Response:
    """The report of a study, as `nas report` writes it: one HTML file for a design review, to be downloaded."""
    launched(store, name)

    def write(folder: Path) -> Path:
        path = folder / f"{stem_of(name)}.html"
        _run("report", name, path, [], settings)
        path.write_text(settings.redact(path.read_text(encoding="utf-8")), encoding="utf-8")
        return path

    return _written(write, "text/html")


def _written(write: Callable[[Path], Path], media: str) -> Response:
    """What `write` makes in a folder of its own, which is deleted once it was sent.

    Raises:
        Refusal: there is no room, or it cannot be made.
    """
    if not _room.acquire(blocking=False):
        raise Refusal(503, f"{AT_A_TIME} exports are being written already", {"Retry-After": "10"})
    folder = Path(tempfile.mkdtemp(prefix="nas-export-"))
    try:
        path = write(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        _room.release()
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(path, media_type=media, filename=path.name, background=done)


def _run(verb: str, name: str, output: Path, words: list[str], settings: Settings) -> None:
    """Run a verb of the command line that writes `output` about a study.

    Raises:
        Refusal: the verb failed.
    """
    plugins = [word for path in settings.plugins for word in ("--plugin", path)]
    command = [sys.executable, "-m", "nas", verb, "-o", str(output), *words, *plugins, "--", name]
    env = os.environ | {"NAS_STORAGE": settings.storage}  # a URL may hold a password, which `ps` would show
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Refusal(503, f"the {verb} took more than {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("nas: ")] or [f"nas: the {verb} failed"]
        raise Refusal(422 if done.returncode == 2 else 500, said[0].removeprefix("nas: "))


def _zipped(folder: Path) -> Path:
    archive = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder.parent))
    return archive
