"""/launch: choose or paste a study, see its faults at their lines, its data and what it will take; then queue it."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from nas.errors import NASError, SpecError
from nas.report.tables import Head, Row, Table
from nas.service import posts
from nas.service.pages.cache import FRAGMENTS, Stamp
from nas.service.pages.render import page, render
from nas.service.problems import fault_out
from nas.service.settings import Settings
from nas.storage import Store
from nas.studies.catalog import find, names, read
from nas.studies.spec import StudySpec, TaskSpec
from nas.text import duration

router = APIRouter(include_in_schema=False)

SHOWN = 8
"""Sample images of a data set."""

FIRST = "quickstart"

_one_at_a_time = threading.Lock()
"""Data sets that are read for a summary: each takes memory and a core."""


@router.get("/launch")
def show_form(request: Request) -> Response:
    """The page."""
    shipped = names("studies")
    text = read(find("studies", FIRST)) if FIRST in shipped else ""
    return page(request, "launch.html", shipped=shipped, first=FIRST, text=text)


@router.post("/launch/check")
async def check(request: Request) -> Response:
    """The faults of what is being typed, and what the study would take."""
    text, name = await _form(request)
    return HTMLResponse(await run_in_threadpool(lambda: _checked(request, text, name)))


@router.post("/launch/data")
async def show_data(request: Request) -> Response:
    """The data of what is being typed: a summary, and images with their boxes."""
    text, name = await _form(request)
    settings: Settings = request.app.state.settings
    return HTMLResponse(await run_in_threadpool(lambda: _data(text, name, settings)))


async def _form(request: Request) -> tuple[str, str | None]:
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    text, name = (fields.get(key, [""])[0].replace("\r\n", "\n") for key in ("text", "name"))
    return text, name.strip()[:200] or None


def _checked(request: Request, text: str, name: str | None) -> str:
    settings: Settings = request.app.state.settings
    study: StudySpec | None = None
    try:
        file = posts.parsed(text, (), name, settings)
        faults, study = posts.found_faults(file, settings), file.study
    except SpecError as error:
        faults = list(error.faults)
    except NASError as error:
        return render(settings, "launch_check.html", faults=[], fault=str(error), valid=False, data_key="", takes=[])
    shown = [fault_out(fault, settings) for fault in faults]
    data_faults = [f for f in shown if f.path.startswith("task.data") or f.path in ("", "task", "task.kind")]
    key = json.dumps([study.task.kind, study.task.data.model_dump(), study.task.image_size]) if study else ""
    with request.app.state.stores.lend() as store:
        takes = _takes(store, study) if study is not None and not faults else []
    return render(
        settings,
        "launch_check.html",
        faults=shown,
        fault="",
        valid=not faults,
        data_key="" if data_faults else key,
        takes=takes,
    )


def _takes(store: Store, study: StudySpec) -> list[tuple[str, str]]:
    """Trials, epochs and hours of a study."""
    budget, outlay = study.budget, study.outlay
    found = [("trials", f"{budget.trials:,}" if budget.trials is not None else "as many as the time allows")]
    if budget.seconds is not None:
        found.append(("longest search", duration(budget.seconds)))
    if outlay is None:
        return found
    found.append(("epochs of training", f"{outlay.total:,}"))
    pace = _pace(store, study.task)
    workers = study.workers.count if isinstance(study.workers.count, int) else 1
    if pace is None:
        return [*found, ("time", "not known")]
    each = "" if workers == 1 else f" with {workers} workers"
    return [*found, ("time", f"about {duration(outlay.total * pace / workers)}{each}")]


def _pace(store: Store, task: TaskSpec) -> float | None:
    """Seconds of an epoch in the newest study with the same data, backbone and image size."""
    wanted = _kind_of(task)
    for record in reversed(store.studies()):
        if _kind_of(record.spec.task) == wanted and (pace := store.epoch_seconds(record.task)) is not None:
            return pace
    return None


def _kind_of(task: TaskSpec) -> dict[str, Any]:
    return task.model_dump(include={"kind", "data", "backbone", "image_size", "batch_size", "head"})


def _data(text: str, name: str | None, settings: Settings) -> str:
    try:
        file = posts.parsed(text, (), name, settings)
        faults = posts.found_faults(file, settings)
    except NASError as error:
        return render(settings, "launch_data.html", reason=str(error), images=[])
    wrong = [f for f in faults if f.path.startswith("task.data")]
    if file.study is None or wrong:
        reason = str(wrong[0]) if wrong else "the study has faults"
        return render(settings, "launch_data.html", reason=reason, images=[])
    task = file.study.task
    return FRAGMENTS.get(("data", json.dumps(_kind_of(task))), Stamp("data"), lambda: _summary(task, settings))


def _summary(task: TaskSpec, settings: Settings) -> str:
    from nas.report.pictures import jpeg, spread, truth_picture
    from nas.tasks import TASKS, data  # torch

    kind = TASKS.get(task.kind)
    if kind is None or kind.data is None:
        return render(settings, "launch_data.html", reason=f"a task of kind {task.kind} reads its own data", images=[])
    try:
        with _one_at_a_time:
            found = data.load(task.data, task.image_size, 0, kind.data)
            chosen = spread(found.val, SHOWN)
            images = [
                (found.val.names[i], b64encode(jpeg(truth_picture(found.val, i, found.classes))).decode())
                for i in chosen
            ]
    except (NASError, OSError) as error:
        return render(settings, "launch_data.html", reason=str(error), images=[])
    parts = {"train": found.train, "validation": found.val}
    rows = [Row((part, f"{len(split):,}", f"{int((~split.crowd).sum()):,}")) for part, split in parts.items()]
    heads = (Head("part"), Head("images", number=True), Head("objects", number=True))
    return render(
        settings,
        "launch_data.html",
        reason="",
        images=images,
        table=Table(heads, tuple(rows)),
        classes=found.classes,
        split=found.split,
        faults=found.faults.summary().splitlines(),
        notes=found.faults.notes,
    )
