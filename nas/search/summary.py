"""summarize: a study as a whole on its page of Optuna's dashboard, a note and two figures."""

from __future__ import annotations

from contextlib import suppress

import optuna

from nas.errors import UserError
from nas.search.effects import clear_lines, default_metrics, effects, necks_of
from nas.search.figures import learning_curves, save_figure, trade_off
from nas.search.notes import study_note
from nas.search.optuna_adapter import quiet, save_study_note
from nas.storage import Store, StudyRecord
from nas.storage.results import Result, result, trained
from nas.studies.certificate import Certificate
from nas.studies.metrics import FORECASTS, Metrics, metric_of
from nas.studies.verdict import standing


def summarize(store: Store, study: optuna.Study) -> None:
    """Write the study's note and figures anew."""
    record, found = store.study(study.study_name), result(store, study.study_name)
    assert record is not None
    objectives = record.spec.objectives
    facts = [standing(found.proxy, record.proxy)]
    save_study_note(study, study_note(record.spec, _rows(found), facts, _mattered(store, record)))
    quality = next((o.metric for o in objectives if metric_of(o.metric).from_training), objectives[0].metric)
    cost = next((o.metric for o in objectives if not metric_of(o.metric).from_training), "params")
    save_figure(study, trade_off(trained(store, study.study_name), quality, cost), "nas-trade-off")
    named = {f.trial: f.name or f"trial {f.trial}" for f in (*found.baselines, *found.best)}
    evaluations = {t.number: store.evaluation(t.key) for t in store.trials(study.study_name) if t.number in named}
    curves = {named[number]: e.curve for number, e in evaluations.items() if e is not None}
    save_figure(study, learning_curves(curves, FORECASTS.get(quality, quality)), "nas-learning-curves")


def keep_certificate(certificate: Certificate, store: Store, name: str | None) -> None:
    """Keep a certificate, and summarize the study `name` anew if it was launched already."""
    store.keep_certificate(certificate)
    if name is not None and store.study(name) is not None:
        with store.reported(), quiet(), suppress(KeyError):  # killed before it had trials
            summarize(store, optuna.load_study(study_name=name, storage=store.optuna))


def _mattered(store: Store, record: StudyRecord) -> list[str]:
    """The clear effects of choices, by the study's own necks; none while there are too few."""
    try:
        necks = necks_of(store, record.name, search=False)
        return clear_lines(effects(necks, default_metrics(record.spec, necks)))
    except UserError:
        return []


def _rows(found: Result) -> dict[str, Metrics]:
    """The baselines and the best, by a name for the row."""
    rows = {str(b.name): b.values for b in found.baselines}
    return rows | {f"best: trial {b.trial}": b.values for b in found.best}
