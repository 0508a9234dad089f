"""What a launch knows of its proxy: the certificate that fits, and what the study goes by with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from nas.errors import Fault, MissingDatabase, SpecError
from nas.search.setup import Setup
from nas.storage import Store, StudyRecord, open_store
from nas.studies import catalog
from nas.studies.certificate import Certificate, best_certificate, covers, supported_objective
from nas.studies.metrics import FORECASTS
from nas.studies.spec import StudySpec

Say = Callable[[str], None]


def as_begun(known: StudyRecord, spec: StudySpec, say: Say) -> StudySpec:
    """The spec with the forecasts, or their fallbacks, that the study began with."""
    begun = {o.metric: o for o in known.spec.objectives}
    objectives = []
    for asked in spec.objectives:
        objective = asked.without_forecast if asked.metric not in begun and asked.fallback in begun else asked
        if objective.metric != asked.metric:
            say(f"objective: {objective.metric}, by which the study began; under another --name {asked.metric} may be")
        fallback = begun[objective.metric].fallback if objective.metric in begun else objective.fallback
        objectives.append(objective.model_copy(update={"fallback": fallback}))
    return spec.model_copy(update={"objectives": tuple(objectives)})


def with_certificate(known: StudyRecord | None, setup: Setup, storage: str, say: Say) -> Setup:
    """The setup with the certificate of its proxy, if there is one.

    Forecasts are made by the law that the study began with, or that the certificate tells.

    Raises:
        SpecError: an objective is a forecast without a fallback, and there is no law.
    """
    if known is not None:
        setup = replace(setup, forecast=known.proxy.forecast)
    certificate = _certificate(setup, storage)
    if known is None:
        teacher = certificate if certificate is not None and covers(certificate, setup.proxy.space) else None
        law = teacher.forecast if teacher is not None else None
        setup = replace(setup, forecast=law, spec=_with_fallbacks(setup.spec, teacher, say))
    if setup.forecast is None:
        _refuse_forecasts(setup.spec)
    return replace(setup, certificate=certificate)


def _refuse_forecasts(spec: StudySpec) -> None:
    message = (
        "{} is what the certificate of a proxy of two points or more tells ({} epochs), and there is none on this "
        "search space: run `nas proxy` for this study first, or take {}, alone or as its fallback"
    )
    faults = [
        Fault(f"objectives[{i}].metric", message.format(o.metric, spec.task.epochs, FORECASTS[o.metric]))
        for i, o in enumerate(spec.objectives)
        if o.metric in FORECASTS
    ]
    if faults:
        raise SpecError(spec.name or "study", faults)


def _with_fallbacks(spec: StudySpec, certificate: Certificate | None, say: Say) -> StudySpec:
    """The spec with the fallback of each forecast that no certificate proves, or that a pruner would cut short."""
    objectives = []
    for asked in spec.objectives:
        objective = supported_objective(asked, certificate)
        why = f"no certificate of this proxy on this search space proves {asked.metric}"
        if objective.metric in FORECASTS and spec.pruner.kind != "none":
            objective = asked.without_forecast
            why = f"{spec.pruner.kind} cuts the curve short that {asked.metric} is told from"
        if objective.metric != asked.metric:
            say(f"objective: {objective.metric}; {why}")
        objectives.append(objective)
    return spec.model_copy(update={"objectives": tuple(objectives)})


def _certificate(setup: Setup, storage: str) -> Certificate | None:
    """The database's go before those that are shipped, one on the study's own space before all."""
    stored: list[Certificate] = []
    with suppress(MissingDatabase), open_store(storage, create=False) as store:
        stored = _stored(store, setup)
    return best_certificate([*_shipped(setup), *stored], setup.proxy)


def _stored(store: Store, setup: Setup) -> list[Certificate]:
    return store.certificates(setup.task.fingerprint, setup.spec.task.epochs)


def _shipped(setup: Setup) -> list[Certificate]:
    """Those of this data and these weights; another device, precision or cache may have been theirs."""
    own, epochs = {setup.task.fingerprint} | setup.task.elsewhere, setup.spec.task.epochs
    shipped = catalog.certificates().values()
    return [c for c in shipped if c.proxy.fingerprint in own and c.proxy.task.epochs == epochs]


def adopt(store: Store, setup: Setup) -> None:
    """Take a shipped certificate that was chosen into the database, unless that has a better one by now."""
    chosen, stored = setup.certificate, _stored(store, setup)
    if chosen is not None and chosen not in stored and best_certificate([chosen, *stored], setup.proxy) == chosen:
        store.keep_certificate(chosen, setup.task.fingerprint)
