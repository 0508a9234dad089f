"""/v1/studies/{name}/export: a trained architecture as a zip, written by `nas export` in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Annotated

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
TIMEOUT_SECONDS = 600

_room = threading.BoundedSemaphore(AT_A_TIME)


@router.get(
    "/export",
    response_class=FileResponse,
    responses=content("application/zip") | responses(404, 422, 503),
)
def export_study(
    name: Name,
    store: Lent,
    settings: Chosen,
    formats: Annotated[
        list[Format], Query(alias="format", max_length=6, description="Default: config, weights, and the study's")
    ] = [],  # noqa: B006
    trial: Annotated[int | None, Query(ge=0, lt=2**31, description="Default: the winner, else the best")] = None,
) -> Response:
    """A trained architecture with its card, as `nas export` writes it, in any of its formats."""
    launched(store, name)
    if not _room.acquire(blocking=False):
        raise Refusal(503, f"{AT_A_TIME} exports are being written already", {"Retry-After": "10"})
    folder = Path(tempfile.mkdtemp(prefix="nas-export-"))
    try:
        archive = _written(name, folder, formats, trial, settings)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        _room.release()
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(archive, media_type="application/zip", filename=archive.name, background=done)


def _written(name: str, folder: Path, formats: list[Format], trial: int | None, settings: Settings) -> Path:
    """The zip of an export.

    Raises:
        Refusal: the study, or its trial, cannot be exported like that.
    """
    stem = stem_of(name)
    words = ["-o", str(folder / stem)]
    words += ["--format", ",".join(formats)] if formats else []
    words += ["--trial", str(trial)] if trial is not None else []
    words += [word for path in settings.plugins for word in ("--plugin", path)]
    env = os.environ | {"NAS_STORAGE": settings.storage}
    command = [sys.executable, "-m", "nas", "export", *words, "--", name]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Refusal(503, f"the export took more than {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("nas: ")] or ["nas: the export failed"]
        raise Refusal(422 if done.returncode == 2 else 500, said[0].removeprefix("nas: "))
    archive = folder / f"{stem}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((folder / stem).rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive
