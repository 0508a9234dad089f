"""/studies/{name}/parts/...: the parts of a study's page, each loaded when the page is there and when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from nas.facts.live import live
from nas.report.drawn import Drawn, drawing, drawn
from nas.report.facts import StudyFacts
from nas.report.gallery import GALLERY
from nas.report.sentences import answer, progress_line
from nas.report.tables import compared_table, finalists_table
from nas.search.effects import clear_lines
from nas.service.pages.cache import FRAGMENTS
from nas.service.pages.listing import Listing, Order, listing
from nas.service.pages.render import redacted, render
from nas.service.pages.stamp import shown_state, stamp
from nas.service.problems import Refusal
from nas.service.routes.common import Chosen, Lent, Name, launched
from nas.service.settings import Settings
from nas.storage import Store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Jobs

router = APIRouter(prefix="/studies/{name}/parts", include_in_schema=False)

LINES = 400
"""Lines of a log that are shown, the last ones."""


def _summary(facts: StudyFacts) -> dict[str, Any]:
    from nas.report.page import failure_lines  # torch

    found, answered = facts.result, facts.result.answer
    return {
        "template": "part_summary.html",
        "answer": answer(facts),
        "failures": failure_lines(facts),
        "compared": finalists_table(answered) if answered is not None else compared_table(found),
        "answered": answered is not None,
        "winner": facts.winner.trial if facts.winner is not None else None,
        "counts": {state: n for state, n in found.trials.model_dump().items() if n},
    }


def _neck(facts: StudyFacts) -> dict[str, Any]:
    best = facts.winner
    neck = drawing(f"trial {best.trial}", best.architecture) if best is not None else None
    return {"template": "trial_card.html", "trial": best, "neck": neck}


def _finalists(facts: StudyFacts) -> dict[str, Any]:
    return {"template": "part_plot.html", "plot": drawn("finalists", facts), "lines": []}


def _certificate(facts: StudyFacts) -> dict[str, Any]:
    from nas.report.page import certificate_facts  # torch

    plot = drawn("certificate", facts) if facts.result.proxy is not None else None
    return {"template": "part_certificate.html", "plot": plot} | certificate_facts(facts)


def _plot(key: str) -> Callable[[StudyFacts], dict[str, Any]]:
    def part(facts: StudyFacts) -> dict[str, Any]:
        lines = clear_lines(facts.effects)[1:] if key == "effects" and not isinstance(facts.effects, str) else []
        return {"template": "part_plot.html", "plot": drawn(key, facts), "lines": lines}

    return part


PARTS: dict[str, Callable[[StudyFacts], dict[str, Any]]] = {
    "summary": _summary,
    "neck": _neck,
    "finalists": _finalists,
    "certificate": _certificate,
} | {key: _plot(key) for key in GALLERY if key not in ("finalists", "certificate")}
"""Name of a part -> what its template needs."""


@router.get("/live")
def live_part(name: Name, store: Lent, settings: Chosen) -> Response:
    """What changes with each epoch: how far the study is, and what runs."""
    found, record = live(store, name), store.study(name)
    if found is None:
        raise Refusal(404, f"there is no study {name!r}")
    line = progress_line(StudyFacts(store, name)) if record is not None else ""
    html = render(settings, "part_live.html", live=found, state=shown_state(found), line=line)
    return HTMLResponse(html)


@router.get("/log")
def log_part(name: Name, store: Lent, settings: Chosen) -> Response:
    """The last lines of the study's newest job."""
    jobs = Jobs.of(store).of_study(name)
    if not jobs:
        return HTMLResponse(render(settings, "part_log.html", lines=None, job=None))
    log = JobLog.of(store)
    last = log.last(jobs[-1].id)
    lines = log.lines(jobs[-1].id, after=max(0, last - LINES), limit=LINES)
    return HTMLResponse(render(settings, "part_log.html", lines=lines, job=jobs[-1]))


@router.get("/trials")
def trials_part(
    name: Name,
    store: Lent,
    settings: Chosen,
    sort: Annotated[str, Query(max_length=100)] = "",
    order: Order = "best",
    state: Annotated[str, Query(max_length=20)] = "",
    text: Annotated[str, Query(max_length=100)] = "",
    first: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """A stretch of the study's trials."""
    launched(store, name)
    record = store.study(name)
    assert record is not None

    def made() -> str:
        found: Listing = listing(StudyFacts(store, name), sort, order, state or None, text, first)
        return render(settings, "part_trials.html", name=name, found=found, text=text, state=state, order=order)

    key = (store.database.name, name, "trials", sort, order, state, text, first)
    return HTMLResponse(FRAGMENTS.get(key, stamp(store, record), made))


@router.get("/{part}")
def any_part(name: Name, part: str, store: Lent, settings: Chosen) -> Response:
    """A part by its name."""
    launched(store, name)
    if part not in PARTS:
        raise Refusal(404, f"a study has no part {part!r}")
    record = store.study(name)
    assert record is not None
    mark = stamp(store, record, epochs=part == "curves")
    key = (store.database.name, name, part)
    return HTMLResponse(FRAGMENTS.get(key, mark, lambda: _rendered(store, name, part, settings)))


def _rendered(store: Store, name: str, part: str, settings: Settings) -> str:
    context = PARTS[part](StudyFacts(store, name))
    return render(settings, context.pop("template"), name=name, **_safe(context, settings))


def _safe(context: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The context with the JSON of its figures redacted."""
    return {key: plot_of(value, settings) if isinstance(value, Drawn) else value for key, value in context.items()}


def plot_of(plot: Drawn, settings: Settings) -> Drawn:
    """A figure without this machine's paths."""
    return plot._replace(json=redacted(plot.json, settings)) if plot.json is not None else plot
