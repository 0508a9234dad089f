"""/v1/studies: post, validate, resume, clone and cancel studies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from nas.errors import SpecError
from nas.service import posts
from nas.service.problems import FaultOut, Refusal, fault_out, responses
from nas.service.routes.common import Asking, Changes, Chosen, Lent, Name, known, launched
from nas.service.routes.queueing import CREATED, JobOut, Named, Notify, Priority, allowed, queued
from nas.service.settings import Settings
from nas.storage.jobs import LIVE, Jobs, NewJob
from nas.studies.catalog import StudyFile
from nas.value import Value
from nas.yaml12 import dump_yaml

ROUTERS = [router := APIRouter(prefix="/v1", tags=["studies"])]

_STUDY_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


class Validation(Value):
    """Whether a study could be posted, and what it would take.

    Attributes:
        faults: everything that is wrong, each with its place.
        trials: architectures that its budget allows.
        epochs: of training, with promotions and finalists.
    """

    valid: bool
    name: str | None
    faults: tuple[FaultOut, ...]
    trials: int | None = None
    epochs: int | None = None


@router.post(
    "/studies",
    status_code=201,
    response_model=JobOut,
    openapi_extra=_STUDY_BODY,
    responses=CREATED | responses(409, 422),
)
async def post_study(
    request: Request,
    asking: Asking,
    settings: Chosen,
    sets: Changes = [],  # noqa: B006
    name: Named = None,
    priority: Priority = 0,
    notify: Notify = None,
    resume: Annotated[bool, Query(description="Go on with the study of that name, if there is one")] = False,
) -> Response:
    """Queue a study. The body is a study file, YAML or JSON, and is kept verbatim."""
    text = await _text(request)

    def work() -> Response:
        with request.app.state.stores.lend() as store:
            file = posts.posted(text, sets, name, settings)
            assert file.study is not None
            return queued(store, settings, _new(file, sets, priority, notify, asking.id), resume)

    return await run_in_threadpool(work)


@router.post("/validate", response_model=Validation, openapi_extra=_STUDY_BODY, responses=responses(422))
async def validate_study(
    request: Request,
    settings: Chosen,
    sets: Changes = [],  # noqa: B006
    name: Named = None,
) -> Validation:
    """Check a study without posting it: all faults, each with its place and line."""
    text = await _text(request)
    return await run_in_threadpool(lambda: _validated(text, sets, name, settings))


@router.post("/studies/{name}/cancel", response_model=dict[str, Any], responses=responses(404, 409))
def cancel_study(name: Name, store: Lent) -> dict[str, Any]:
    """End what waits or runs for a study within seconds. Finished trials are kept."""
    known(store, name)
    jobs = Jobs.of(store)
    live = [job for job in jobs.of_study(name) if job.state in LIVE]
    for job in live:
        jobs.ask_to_stop(job.id)
    record = store.study(name)
    if not any(job.state == "running" for job in live) and record is not None and record.state == "running":
        store.ask_to_stop(name)  # a launch from a command line
    elif not live:
        state = record.state if record is not None else "not running"
        raise Refusal(409, f"study {name!r} is {state}: there is nothing to cancel")
    return {"study": name, "cancelled": [job.id for job in live]}


@router.post(
    "/studies/{name}/resume", status_code=201, response_model=JobOut, responses=CREATED | responses(404, 409, 422)
)
def resume_study(
    name: Name,
    store: Lent,
    asking: Asking,
    settings: Chosen,
    trials: Annotated[int | None, Query(ge=1, le=10**6, description="A new number of trials")] = None,
    priority: Priority = 0,
    notify: Notify = None,
) -> Response:
    """Queue a study again, to go on where it was."""
    known(store, name)
    changes = [f"budget.trials={trials}"] if trials is not None else []
    new = {"study": name, "changes": changes, "priority": priority, "posted_by": asking.id}
    record = store.study(name)
    if record is None:  # it was cancelled or failed before it began
        last = Jobs.of(store).of_study(name)[-1]
        new |= {"text": last.text, "changes": [*last.changes, *changes], "notify": last.notify}
    else:
        new["notify"] = record.spec.notify
    return queued(store, settings, NewJob.parse(new | ({"notify": allowed(notify, settings)} if notify else {})))


@router.post(
    "/studies/{name}/clone", status_code=201, response_model=JobOut, responses=CREATED | responses(404, 409, 422)
)
def clone_study(
    name: Name,
    to: Annotated[str, Query(min_length=1, max_length=200, description="Name of the new study")],
    store: Lent,
    asking: Asking,
    settings: Chosen,
    sets: Changes = [],  # noqa: B006
    priority: Priority = 0,
    notify: Notify = None,
) -> Response:
    """Queue a new study that is like another one but for some changes."""
    launched(store, name)
    record = store.study(name)
    assert record is not None
    text = dump_yaml(record.spec.model_copy(update={"name": to}).to_dict())
    file = posts.posted(text, sets, to, settings)
    return queued(store, settings, _new(file, sets, priority, notify or record.spec.notify, asking.id))


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(422, "the study is not UTF-8 text") from None


def _validated(text: str, sets: list[str], name: str | None, settings: Settings) -> Validation:
    try:
        file = posts.parsed(text, sets, name, settings)
        faults = posts.found_faults(file, settings)
    except SpecError as error:
        return Validation(valid=False, name=name, faults=tuple(fault_out(f, settings) for f in error.faults))
    study = file.study
    outlay = study.outlay if study is not None and not faults else None
    return Validation(
        valid=not faults,
        name=study.name if study is not None else name,
        faults=tuple(fault_out(fault, settings) for fault in faults),
        trials=study.budget.trials if study is not None else None,
        epochs=sum(outlay.model_dump().values()) if outlay is not None else None,
    )


def _new(file: StudyFile, sets: list[str], priority: int, notify: str | None, token: str | None) -> NewJob:
    assert file.study is not None
    return NewJob(
        study=str(file.study.name),
        text=file.text,
        changes=tuple(sets),
        priority=priority,
        posted_by=token,
        notify=notify or file.study.notify,
    )
