"""/v1/studies/{name}/...: what a study found, as far as it is known now."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nas.facts import Facts, trials
from nas.facts.trials import Curves
from nas.necks.architecture import Architecture
from nas.necks.drawing import svg
from nas.service.problems import Refusal, content, responses
from nas.service.routes.common import Chosen, Lent, Name, Number, facts, launched
from nas.storage import Store
from nas.storage.results import TrialFacts, kept_answer, overview, study_record, trial_facts
from nas.storage.rows import TrialRow, trial_rows
from nas.studies.answer import Answer
from nas.studies.verdict import proxy_facts
from nas.value import Value

ROUTERS = [router := APIRouter(prefix="/v1/studies/{name}", tags=["results"])]


class TrialList(Value):
    """Trials of a study."""

    study: str
    trials: tuple[TrialRow, ...]


@router.get("/trials", response_model=TrialList, responses=responses(404, 422))
def list_trials(
    name: Name,
    store: Lent,
    after: Annotated[int, Query(ge=-1, lt=2**31, description="Number of the last trial that is known")] = -1,
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many trials at most")] = 1000,
) -> TrialList:
    """The trials of a study by number, without their architectures."""
    launched(store, name)
    found = trial_rows(store, name, range(after + 1, after + 1 + limit))
    return TrialList(study=name, trials=tuple(found))


@router.get("/trials/{number}", response_model=TrialFacts, responses=content("text/plain") | responses(404))
def show_trial(request: Request, name: Name, number: Number, store: Lent, settings: Chosen) -> Response:
    """All that is known of one trial."""
    _trial(store, name, number)
    return facts(request, settings, trials.shown(store, name, number))


@router.get("/trials/{number}/log", response_model=dict[str, Any], responses=content("text/plain") | responses(404))
def log_of_trial(request: Request, name: Name, number: Number, store: Lent, settings: Chosen) -> Response:
    """The attempts of a trial, its workers, and what each epoch gave."""
    _trial(store, name, number)
    return facts(request, settings, trials.logged(store, name, number))


@router.get(
    "/trials/{number}/neck.svg",
    response_class=Response,
    responses=content("image/svg+xml") | responses(404),
)
def draw_neck(name: Name, number: Number, store: Lent) -> Response:
    """The neck of a trial, drawn."""
    _trial(store, name, number)
    found = trial_facts(store, name, number)
    if found.architecture is None:
        raise Refusal(404, f"trial {number} of study {name!r} has no architecture yet: it is {found.state}")
    return Response(svg(Architecture.parse(found.architecture).neck), media_type="image/svg+xml")


@router.get("/curves", response_model=Curves, responses=responses(404, 422))
def show_curves(
    name: Name,
    store: Lent,
    metric: Annotated[str | None, Query(max_length=100, description="Default: the first objective's")] = None,
    numbers: Annotated[
        list[int], Query(alias="trial", max_length=1000, description="Only these trials; may be repeated")
    ] = [],  # noqa: B006
) -> Curves:
    """Learning curves of a study's trials: of each the epochs and the values of one metric."""
    launched(store, name)
    return trials.curves(store, name, metric, numbers)


@router.get("/answer", response_model=Answer, responses=responses(404))
def show_answer(name: Name, store: Lent) -> Answer:
    """What the finalists show: the verdict in a sentence, each with its interval, and the gain over each baseline."""
    launched(store, name)
    found = kept_answer(store, name)
    if found is None:
        raise Refusal(404, f"study {name!r} has no answer yet: no finalists were trained in full")
    return found


@router.get("/effects", response_model=dict[str, Any], responses=content("text/plain") | responses(404, 422))
def show_effects(
    request: Request,
    name: Name,
    store: Lent,
    settings: Chosen,
    metrics: Annotated[
        list[str], Query(alias="metric", max_length=20, description="What to explain; may be repeated")
    ] = [],  # noqa: B006
) -> Response:
    """What each choice of the search space does to each metric, with intervals."""
    launched(store, name)
    from nas.facts.effects import found
    from nas.search.effects import effect_lines  # numpy, scipy

    estimated = found(store, name, metrics, quick=True)
    return facts(request, settings, Facts(estimated.to_json(), effect_lines(estimated)))


@router.get("/certificate", response_model=dict[str, Any], responses=content("text/plain") | responses(404))
def show_certificate(request: Request, name: Name, store: Lent, settings: Chosen) -> Response:
    """How reliable the study's proxy is."""
    launched(store, name)
    found, record = overview(store, name).proxy, study_record(store, name)
    if found is None:
        raise Refusal(404, f"the proxy of study {name!r} has no certificate")
    from nas.facts.tables import certificate_lines

    data = found.model_dump(mode="json") | (proxy_facts(found, record.spec) or {})
    return facts(request, settings, Facts(data, certificate_lines(found)))


def _trial(store: Store, name: str, number: int) -> None:
    launched(store, name)
    if not trial_rows(store, name, [number]):
        raise Refusal(404, f"study {name!r} has no trial {number}")
