"""summarize: a study's page of Optuna's dashboard, with a note and two figures."""

from __future__ import annotations

import warnings
from contextlib import suppress

import optuna
import plotly.graph_objects as go

from nas.errors import UserError
from nas.search.effects import clear_lines, default_metrics, effects, necks_of
from nas.search.notes import study_note
from nas.search.optuna_adapter import quiet, save_study_note
from nas.storage import Store, StudyRecord
from nas.storage.results import Result, result
from nas.studies.certificate import Certificate
from nas.studies.metrics import FORECASTS, metric_of
from nas.studies.verdict import proxy_line


def summarize(store: Store, study: optuna.Study) -> None:
    """Write the study's note and figures anew."""
    record, found = store.study(study.study_name), result(store, study.study_name)
    assert record is not None
    rows = {str(f.name): f.values for f in found.baselines}
    rows |= {f"best: trial {f.trial}": f.values for f in found.best}
    facts = [proxy_line(found.proxy, record.proxy)] + ([found.answer.sentence] if found.answer is not None else [])
    save_study_note(study, study_note(record.spec, rows, facts, _mattered(store, record)))
    metrics = [objective.metric for objective in record.spec.objectives]
    quality = next((name for name in metrics if metric_of(name).from_training), metrics[0])
    cost = next((name for name in metrics if not metric_of(name).from_training), "params")
    _save(study, "nas-trade-off", _trade_off(found, quality, cost), f"{quality} against {cost}", cost, quality)
    measured = FORECASTS.get(quality, quality)
    curves = _learning_curves(store, found, measured)
    _save(study, "nas-learning-curves", curves, f"{measured} while training", "epoch", measured)


def keep_certificate(certificate: Certificate, store: Store, name: str | None) -> None:
    """Keep a certificate, and summarize the study `name` anew if it was launched already."""
    store.keep_certificate(certificate)
    if name is not None and store.study(name) is not None:
        with store.reported(), quiet(), suppress(KeyError):  # killed before it had trials
            summarize(store, optuna.load_study(study_name=name, storage=store.optuna))


def _trade_off(found: Result, quality: str, cost: str) -> go.Figure:
    """Every trained architecture by a cost and a quality; baselines carry their names."""
    figure = go.Figure()
    proposals = [f for f in found.trained if f.name is None]
    baselines = [f for f in found.trained if f.name is not None]
    for label, group, mode in (("proposals", proposals, "markers"), ("baselines", baselines, "markers+text")):
        figure.add_scatter(
            x=[f.values.get(cost) for f in group],
            y=[f.values.get(quality) for f in group],
            text=[f.name or f"trial {f.trial}" for f in group],
            mode=mode,
            name=label,
            textposition="top center",
            marker={"size": 11, "symbol": "circle" if mode == "markers" else "diamond"},
        )
    return figure


def _learning_curves(store: Store, found: Result, quality: str) -> go.Figure:
    """A quality over the epochs, a line for each baseline and each of the best."""
    figure = go.Figure()
    names = {f.trial: f.name or f"trial {f.trial}" for f in (*found.baselines, *found.best)}
    for trial in store.trials(found.study):
        evaluation = store.evaluation(trial.key) if trial.number in names else None
        if evaluation is not None:
            curve = evaluation.curve
            points = [(p.epoch, p.metrics[quality]) for p in curve if p.metrics.get(quality) is not None]
            x, y = [epoch for epoch, _ in points], [value for _, value in points]
            figure.add_scatter(x=x, y=y, mode="lines+markers", name=names[trial.number])
    return figure


def _save(study: optuna.Study, name: str, figure: go.Figure, title: str, x: str, y: str) -> None:
    """Show a figure on the study's page, in place of an earlier one of that name."""
    from optuna_dashboard import save_plotly_graph_object  # slow to import

    figure.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="plotly_white")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        save_plotly_graph_object(study, figure, graph_object_id=name)


def _mattered(store: Store, record: StudyRecord) -> list[str]:
    """The clear effects of choices, by the study's own necks; none while there are too few."""
    try:
        necks = necks_of(store, record.name, search=False)
        if necks.too_many is not None:
            return [necks.too_many]
        return clear_lines(effects(necks, default_metrics(record.spec, necks)))
    except UserError:
        return []
