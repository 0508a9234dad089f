"""What the service says about itself: its health, version and metrics, and the schemas of files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from nas import __version__
from nas.service.metrics import Metrics
from nas.service.problems import Refusal, content, responses
from nas.service.routes.common import Lent
from nas.storage.jobs import Jobs
from nas.studies.catalog import find, names, read
from nas.studies.schema import SCHEMAS
from nas.value import Value

ROUTERS = [router := APIRouter(tags=["about"])]


class Health(Value):
    """Whether the service is well."""

    status: Literal["ok"] = "ok"


class Version(Value):
    """The version of pyramid-nas."""

    version: str


class Shipped(Value):
    """Names of the studies that come with the package."""

    studies: tuple[str, ...]


@router.get("/healthz", response_model=Health)
async def health() -> Health:
    """Whether the service answers."""
    return Health()


@router.get("/readyz", response_model=Health, responses=responses(503))
def ready(store: Lent) -> Health:
    """Whether the database answers too."""
    Jobs.of(store).live()
    return Health()


@router.get("/version", response_model=Version)
async def version() -> Version:
    """The version."""
    return Version(version=__version__)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, store: Lent) -> Response:
    """Metrics in Prometheus' format."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(Jobs.of(store).live()), media_type=found.media_type)


@router.get("/v1/schema", response_model=dict[str, Any])
def schema(kind: Annotated[Literal["study", "space"], Query(description="What the file holds")] = "study") -> Response:
    """The JSON Schema of a study file, or of a search space file."""
    return JSONResponse(SCHEMAS[kind]())


@router.get("/v1/shipped", response_model=Shipped)
def list_shipped() -> Shipped:
    """The studies that come with the package."""
    return Shipped(studies=tuple(names("studies")))


@router.get(
    "/v1/shipped/{study}",
    response_class=PlainTextResponse,
    responses=content("application/yaml") | responses(404),
)
def show_shipped(study: Annotated[str, Path(max_length=200, pattern=r"^[\w-]+$")]) -> Response:
    """A study file that comes with the package."""
    if study not in names("studies"):
        raise Refusal(404, f"no study {study!r} comes with the package; there are {', '.join(names('studies'))}")
    return Response(read(find("studies", study)), media_type="application/yaml")
