"""/v1/studies: list, look at and delete studies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from nas.facts import studies as known_studies
from nas.service.problems import Refusal, content, responses
from nas.service.routes.common import Asking, Chosen, Lent, Name, facts, known, launched
from nas.service.routes.queueing import job_out
from nas.storage.jobs import LIVE, Jobs
from nas.storage.results import overview

ROUTERS = [router := APIRouter(prefix="/v1", tags=["studies"])]


@router.get("/studies", response_model=dict[str, Any], responses=content("text/plain"))
def list_studies(request: Request, store: Lent, settings: Chosen) -> Response:
    """The studies of the database, and the jobs that wait or run."""
    found = known_studies.listed(store)
    live = Jobs.of(store).live()
    jobs = [job_out(job, live, settings).model_dump() for job in live]
    return facts(request, settings, found._replace(data=found.data | {"jobs": jobs}))


@router.get("/studies/{name}", response_model=dict[str, Any], responses=content("text/plain") | responses(404))
def show_study(request: Request, name: Name, store: Lent, settings: Chosen) -> Response:
    """What a study has found, where it comes from, and its latest job."""
    known(store, name)
    jobs = Jobs.of(store)
    latest = next(iter(reversed(jobs.of_study(name))), None)
    job = job_out(latest, jobs.live(), settings).model_dump() if latest is not None else None
    if store.study(name) is None:
        assert latest is not None
        found = known_studies.waiting(name, latest)
    else:
        found = known_studies.shown(store, name)
    return facts(request, settings, found._replace(data=found.data | {"job": job}))


@router.get("/studies/{name}/result", response_model=dict[str, Any], responses=content("text/plain") | responses(404))
def show_result(request: Request, name: Name, store: Lent, settings: Chosen) -> Response:
    """What a study has found, as a launch prints it at its end."""
    launched(store, name)
    return facts(request, settings, known_studies.ended(overview(store, name)))


@router.get(
    "/studies/{name}/spec",
    response_class=PlainTextResponse,
    responses=content("application/yaml") | responses(404),
)
def show_spec(name: Name, store: Lent) -> Response:
    """The study file, verbatim."""
    known(store, name)
    record = store.study(name)
    text = record.text if record is not None else Jobs.of(store).of_study(name)[-1].text
    return Response(text, media_type="application/yaml")


@router.delete("/studies/{name}", response_model=dict[str, Any], responses=responses(403, 404, 409, 422))
def delete_study(
    name: Name,
    confirm: Annotated[str, Query(max_length=200, description="The study's name again")],
    store: Lent,
    asking: Asking,
) -> dict[str, Any]:
    """Delete a study with its trials and weights. Only an administrator may, or the token that posted it."""
    known(store, name)
    jobs = Jobs.of(store)
    own = jobs.of_study(name)
    if not asking.is_admin and not (own and own[0].posted_by == asking.id):
        raise Refusal(403, f"study {name!r} was posted by another token: only an administrator may delete it")
    if confirm != name:
        raise Refusal(422, f"nothing was deleted: confirm is not {name!r}")
    if any(job.state in LIVE for job in own):
        raise Refusal(409, f"study {name!r} waits or runs: cancel it first")
    if store.study(name) is not None:
        store.remove(name)
    jobs.remove(name)
    return {"deleted": name}
