"""The certificate of a study's proxy, and the objectives that the study optimizes with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from nas.errors import Fault, MissingDatabase, SpecError
from nas.search.setup import Setup
from nas.storage import Store, StudyRecord, open_store
from nas.studies import catalog
from nas.studies.certificate import Certificate, best_certificate, covers, supported_objective
from nas.studies.metrics import FORECASTS
from nas.studies.spec import Objective, StudySpec
from nas.text import Say


def with_first_objectives(known: StudyRecord, spec: StudySpec, say: Say) -> StudySpec:
    """The spec with the forecasts, or their fallbacks, that the study began with."""
    first = {o.metric: o for o in known.spec.objectives}
    objectives = []
    for asked in spec.objectives:
        objective = asked.without_forecast if asked.metric not in first and asked.fallback in first else asked
        if objective.metric != asked.metric:
            say(
                f"objective: {objective.metric}, as when the study began; to optimize {asked.metric}, launch under "
                "another --name"
            )
        fallback = first.get(objective.metric, objective).fallback
        objectives.append(objective.model_copy(update={"fallback": fallback}))
    return spec.model_copy(update={"objectives": tuple(objectives)})


def with_certificate(known: StudyRecord | None, setup: Setup, storage: str, say: Say) -> Setup:
    """The setup with the certificate of its proxy, if there is one.

    Forecasts use the law that the study began with; a new study takes the law of the certificate.

    Raises:
        SpecError: an objective is a forecast without a fallback, and there is no law.
    """
    if known is not None:
        setup = replace(setup, forecast=known.proxy.forecast)
    stored: list[Certificate] = []
    with suppress(MissingDatabase), open_store(storage, create=False) as store:
        stored = _stored(store, setup)
    certificate = best_certificate([*_shipped(setup), *stored], setup.proxy)
    if known is None:
        source = certificate if certificate is not None and covers(certificate, setup.proxy.space) else None
        objectives = tuple(_objective(asked, source, setup.spec, say) for asked in setup.spec.objectives)
        law = source.forecast if source is not None else None
        setup = replace(setup, forecast=law, spec=setup.spec.model_copy(update={"objectives": objectives}))
    if setup.forecast is None:
        _refuse_forecasts(setup.spec)
    return replace(setup, certificate=certificate)


def _objective(asked: Objective, certificate: Certificate | None, spec: StudySpec, say: Say) -> Objective:
    """The objective; or its fallback if no certificate supports the forecast, or a pruner would cut the curve short."""
    objective = supported_objective(asked, certificate)
    reason = f"no certificate of this proxy on this search space supports {asked.metric}"
    if objective.metric in FORECASTS and spec.pruner.kind != "none":
        objective = asked.without_forecast
        reason = f"{spec.pruner.kind} cuts short the curve that {asked.metric} is computed from"
    if objective.metric != asked.metric:
        say(f"objective: {objective.metric}; {reason}")
    return objective


def _refuse_forecasts(spec: StudySpec) -> None:
    faults = [
        Fault(
            f"objectives[{i}].metric",
            f"{o.metric} needs a certificate of this proxy ({spec.task.epochs} epochs) that forecasts it, and there is "
            f"none on this search space: run `nas proxy` for this study first, or take {FORECASTS[o.metric]}, alone or "
            "as its fallback",
        )
        for i, o in enumerate(spec.objectives)
        if o.metric in FORECASTS
    ]
    if faults:
        raise SpecError(spec.name or "study", faults)


def _stored(store: Store, setup: Setup) -> list[Certificate]:
    return store.certificates(setup.task.fingerprint, setup.spec.task.epochs)


def _shipped(setup: Setup) -> list[Certificate]:
    """Those of these data and weights. Their device, precision or cache may differ."""
    own, epochs = {setup.task.fingerprint} | setup.task.elsewhere, setup.spec.task.epochs
    shipped = catalog.certificates().values()
    return [c for c in shipped if c.proxy.fingerprint in own and c.proxy.task.epochs == epochs]


def import_shipped_certificate(store: Store, setup: Setup) -> None:
    """Keep a shipped certificate that was chosen in the database, unless that has a better one by now."""
    chosen, stored = setup.certificate, _stored(store, setup)
    if chosen is not None and chosen not in stored and best_certificate([chosen, *stored], setup.proxy) == chosen:
        store.keep_certificate(chosen, setup.task.fingerprint)
