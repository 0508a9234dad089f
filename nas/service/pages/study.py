"""/studies/{name}: a study as it waits, runs and ends. The page itself is short; its parts are loaded after it."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from nas.facts.live import live
from nas.report.gallery import GALLERY
from nas.report.sentences import question
from nas.service.pages.render import page
from nas.service.pages.stamp import shown_state
from nas.service.problems import Refusal
from nas.service.routes.common import Lent, Name
from nas.storage.jobs import LIVE, Jobs
from nas.studies.spec import Format

router = APIRouter(include_in_schema=False)

PLOTS = ("front", "best", "curves", "effects", "importances", "sizes")
"""Figures of the page, in their order."""

FORMATS: tuple[Format, ...] = get_args(Format)


@router.get("/studies/{name}")
def show_study(request: Request, name: Name, store: Lent) -> Response:
    """The page."""
    found, record = live(store, name), store.study(name)
    if found is None:
        raise Refusal(404, f"there is no study {name!r}")
    jobs = Jobs.of(store)
    own = jobs.of_study(name)
    busy = (record is not None and record.state == "running") or any(job.state in LIVE for job in own)
    about: dict[str, Any] = {
        "name": name,
        "state": shown_state(found),
        "live": found,
        "busy": busy,
        "begun": record is not None,
        "error": own[-1].error if own and own[-1].state == "failed" else None,
        "text": record.text if record is not None else own[-1].text,
    }
    if record is not None:
        about |= {
            "question": question(record.spec),
            "plots": {key: GALLERY[key].title for key in PLOTS},
            "formats": FORMATS,
            "has_job": bool(own),
        }
    return page(request, "study.html", **about)
