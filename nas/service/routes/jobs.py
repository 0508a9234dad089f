"""/v1/jobs: the queue; and the jobs that a study may have after its search."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import PlainTextResponse, Response

from nas.service.problems import Refusal, content, responses
from nas.service.routes.common import Asking, Chosen, Lent, Name, launched, prefers_text
from nas.service.routes.queueing import CREATED, JobOut, Notify, Priority, allowed, job_out, queued
from nas.service.settings import Settings
from nas.storage import Store
from nas.storage.job_log import JobLog, LogLine
from nas.storage.jobs import JobKind, Jobs, NewJob
from nas.studies.certificate import MINIMUM, NECKS, SEEDS
from nas.value import Value

ROUTERS = [router := APIRouter(prefix="/v1", tags=["queue"])]

JobNumber = Annotated[int, Path(ge=1, lt=2**31, description="Number of a job")]
Seeds = Annotated[int, Query(ge=1, le=100, description="Trainings of each neck")]


class Queue(Value):
    """The jobs that wait or run, in the order in which they are started."""

    jobs: tuple[JobOut, ...]


class Log(Value):
    """Lines of a job's log. `after` of the next request is the number of the last line."""

    lines: tuple[LogLine, ...]


@router.get("/jobs", response_model=Queue)
def list_jobs(store: Lent, settings: Chosen) -> Queue:
    """The queue."""
    live = Jobs.of(store).live()
    return Queue(jobs=tuple(job_out(job, live, settings) for job in live))


@router.get("/jobs/{number}", response_model=JobOut, responses=responses(404))
def show_job(number: JobNumber, store: Lent, settings: Chosen) -> JobOut:
    """A job, also one that has ended."""
    return _job(store, number, settings)


@router.get("/jobs/{number}/log", response_model=Log, responses=content("text/plain") | responses(404))
def show_log(
    request: Request,
    number: JobNumber,
    store: Lent,
    settings: Chosen,
    after: Annotated[int, Query(ge=0, lt=2**31, description="Number of the last line that is known")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many lines at most")] = 1000,
) -> Response | Log:
    """What a job printed."""
    _job(store, number, settings)
    lines = JobLog.of(store).lines(number, after, limit)
    if prefers_text(request):
        return PlainTextResponse("".join(f"{line.text}\n" for line in lines))
    return Log(lines=tuple(lines))


@router.post(
    "/studies/{name}/confirm", status_code=201, response_model=JobOut, responses=CREATED | responses(404, 409, 422)
)
def post_confirm(
    name: Name,
    store: Lent,
    asking: Asking,
    settings: Chosen,
    top: Annotated[int, Query(ge=1, le=100, description="How many of the best trials")] = 3,
    seeds: Seeds = 3,
    priority: Priority = 0,
    notify: Notify = None,
) -> Response:
    """Queue the finalists of a study: its best trials and baselines, trained in full and compared."""
    options = {"top": top, "seeds": seeds}
    return _post(name, "confirm", options, store, settings, priority, notify, asking.id)


@router.post(
    "/studies/{name}/proxy", status_code=201, response_model=JobOut, responses=CREATED | responses(404, 409, 422)
)
def post_proxy(
    name: Name,
    store: Lent,
    asking: Asking,
    settings: Chosen,
    necks: Annotated[int, Query(ge=MINIMUM, le=1000, description="Necks to train, a stratified sample")] = NECKS,
    seeds: Seeds = SEEDS,
    priority: Priority = 0,
    notify: Notify = None,
) -> Response:
    """Queue the certificate of a study's proxy: necks trained both ways, and their order compared."""
    options = {"necks": necks, "seeds": seeds}
    return _post(name, "proxy", options, store, settings, priority, notify, asking.id)


def _post(
    name: str,
    kind: JobKind,
    options: dict[str, Any],
    store: Store,
    settings: Settings,
    priority: int,
    notify: str | None,
    token: str | None,
) -> Response:
    launched(store, name)
    allowed(notify, settings)
    new = NewJob(study=name, kind=kind, options=options, priority=priority, posted_by=token, notify=notify)
    return queued(store, settings, new)


def _job(store: Store, number: int, settings: Settings) -> JobOut:
    jobs = Jobs.of(store)
    found = jobs.find(number)
    if found is None:
        raise Refusal(404, f"there is no job {number}")
    return job_out(found, jobs.live(), settings)
