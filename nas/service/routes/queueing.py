"""What the routes that queue something share: the job as users see it, and the way into the queue."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query
from starlette.responses import JSONResponse, Response

from nas.service import posts
from nas.service.problems import Refusal, responses
from nas.service.settings import Settings
from nas.storage import Store
from nas.storage.jobs import Job, JobKind, Jobs, JobState, NewJob, position
from nas.value import Value

Priority = Annotated[int, Query(ge=-100, le=100, description="Jobs with a higher one come first")]
Notify = Annotated[str | None, Query(max_length=2000, description="URL to call when the job has ended")]
Named = Annotated[str | None, Query(min_length=1, max_length=200, description="Name of the study")]


CREATED: dict[int | str, dict[str, Any]] = {201: {"headers": {"Location": {"schema": {"type": "string"}}}}}
"""What a route answers that queues something."""

QUEUED = CREATED | responses(404, 409, 422)
"""The same of a route about a study that is there."""


class JobOut(Value):
    """A job of the queue.

    Attributes:
        position: how many jobs wait before it; none for a job that does not wait.
        error: why it failed.
    """

    id: int
    study: str
    kind: JobKind
    state: JobState
    priority: int
    position: int | None
    posted: str
    started: str | None
    ended: str | None
    stop_asked: bool
    error: str | None


def job_out(job: Job, live: list[Job], settings: Settings) -> JobOut:
    """A job as users see it."""
    data = job.model_dump(mode="json", include=set(JobOut.model_fields))
    error = settings.redact(job.error) if job.error is not None else None
    return JobOut.model_validate(data | {"position": position(job, live), "error": error})


def allowed(notify: str | None, settings: Settings) -> str | None:
    if notify is not None and not settings.may_notify(notify):
        raise Refusal(422, f"notify: {posts.NOT_ALLOWED}")
    return notify


def queued(store: Store, settings: Settings, new: NewJob, resume: bool = False) -> Response:
    """Queue a job. A new study needs a name that is free, unless it may `resume` one.

    Raises:
        Refusal: 409, 422.
    """
    allowed(new.notify, settings)
    if new.kind == "search" and new.text and not resume and store.study(new.study) is not None:
        raise Refusal(409, f"there is a study {new.study!r} already: resume it, or post this one under another name")
    jobs = Jobs.of(store)
    job = jobs.post(new)
    body = job_out(job, jobs.live(), settings).model_dump()
    return JSONResponse(body, 201, {"Location": f"/v1/studies/{quote(new.study, safe='')}"})
