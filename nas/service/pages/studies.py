"""/studies: every study, with what is most wanted of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from nas.report.figures.look import LABELS
from nas.service.pages.cache import FRAGMENTS, Stamp
from nas.service.pages.render import page, render
from nas.service.pages.stamp import state_of
from nas.service.routes.common import Chosen, Lent
from nas.service.settings import Settings
from nas.storage import Store
from nas.storage.jobs import Job, Jobs, position
from nas.storage.records import StudyRecord
from nas.storage.results import best_of, overview
from nas.studies.metrics import format_metric
from nas.text import duration

router = APIRouter(include_in_schema=False)


class Line(NamedTuple):
    """A study in the list.

    Attributes:
        progress: how many necks are trained, and of how many; `share` of them, from 0 to 1.
        age: since it was posted or launched.
    """

    name: str
    state: str
    progress: str
    share: float | None
    metric: str
    best: str
    baseline: str
    age: str
    wait: str


@router.get("/studies")
def list_studies(request: Request, store: Lent) -> Response:
    """The page."""
    return page(request, "studies.html", lines=lines(store))


@router.get("/studies/-/list")
def list_again(store: Lent, settings: Chosen) -> Response:
    """The list alone, which the page asks for again and again."""
    return HTMLResponse(_rendered(store, settings))


def _rendered(store: Store, settings: Settings) -> str:
    return render(settings, "studies_list.html", lines=lines(store))


def lines(store: Store) -> list[Line]:
    """The studies that wait in their order, then the others, the newest first."""
    jobs = Jobs.of(store)
    waiting, latest = jobs.live(), jobs.latest()
    records = {record.name: record for record in store.studies()}
    now = datetime.now(UTC)
    unborn = [job for name, job in latest.items() if name not in records]
    unborn.sort(key=lambda job: (position(job, waiting) is None, position(job, waiting) or 0, -job.id))
    found = [_waiting(job, waiting, now) for job in unborn]
    for record in sorted(records.values(), key=lambda r: (r.state != "running", -r.created.timestamp())):
        found.append(_line(store, record, latest.get(record.name), waiting, now))
    return found


def _line(store: Store, record: StudyRecord, job: Job | None, waiting: Sequence[Job], now: datetime) -> Line:
    trained, metric, best, baseline = _found(store, record)
    total = record.spec.budget.trials
    return Line(
        name=record.name,
        state=state_of(record.state, job.state if job is not None else None),
        progress=f"{trained:,} of {total:,}" if total else f"{trained:,}",
        share=min(1.0, trained / total) if total else None,
        metric=LABELS.get(metric, metric),
        best=best,
        baseline=baseline,
        age=_age(record.created, now),
        wait=_wait(job, waiting),
    )


def _found(store: Store, record: StudyRecord) -> tuple[int, str, str, str]:
    """Necks trained, the first objective, and its value of the best and of the best baseline."""
    key = (store.database.name, record.name, "line")
    # The seconds of a study change while it runs, and with each launch.
    kept = FRAGMENTS.get(key, Stamp(record.state, record.seconds), lambda: _read(store, record))
    trained, metric, best, baseline = kept.split("\t")
    return int(trained), metric, best, baseline


def _read(store: Store, record: StudyRecord) -> str:
    found = overview(store, record.name)
    objective = found.objectives[0]
    rivals = [b for b in found.baselines if b.feasible and b.values.get(objective.metric) is not None]
    leaders = [best_of(group, [objective])[:1] for group in (found.best, rivals)]
    shown = [format_metric(objective.metric, v[0].values[objective.metric]) if v else "-" for v in leaders]
    return "\t".join([str(found.trials.complete), objective.metric, *shown])


def _waiting(job: Job, waiting: Sequence[Job], now: datetime) -> Line:
    return Line(job.study, job.state, "-", None, "", "-", "-", _age(job.posted, now), _wait(job, waiting))


def _wait(job: Job | None, waiting: Sequence[Job]) -> str:
    place = position(job, waiting) if job is not None else None
    return "" if place is None else "next" if place == 0 else f"{place} before it"


def _age(then: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - then).total_seconds())
    return f"{seconds / 86400:.0f} days" if seconds > 2 * 86400 else duration(seconds)
