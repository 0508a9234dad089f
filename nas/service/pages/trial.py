"""/studies/{name}/trials/{number}: one neck: drawn, measured, costed, and what its model predicts."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from nas import plugins
from nas.errors import NASError
from nas.facts import trials as known_trials
from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.report.assets import for_script
from nas.report.curves import Curve
from nas.report.drawn import Drawn, drawing
from nas.report.facts import StudyFacts
from nas.report.figures import curves_figure
from nas.report.tables import Head, Row, Table, longer_table, metrics_table, pairs
from nas.service.aside import aside
from nas.service.pages.cache import FRAGMENTS, Stamp
from nas.service.pages.parts import plot_of
from nas.service.pages.render import page, render
from nas.service.pages.stamp import stamp
from nas.service.problems import Refusal
from nas.service.routes.common import Chosen, Lent, Name, Number, launched
from nas.storage import Store, open_store
from nas.storage.optuna_trials import find_trials
from nas.storage.results import TrialFacts, trial_facts
from nas.studies.metrics import format_metric

if TYPE_CHECKING:
    from nas.report.samples import Samples

router = APIRouter(prefix="/studies/{name}/trials/{number}", include_in_schema=False)


@router.get("")
def show_trial(request: Request, name: Name, number: Number, store: Lent, settings: Chosen) -> Response:
    """The page."""
    found = _known(store, name, number)
    curve = _curve(store, name, found)
    return page(
        request,
        "trial.html",
        name=name,
        trial=found,
        neck=_drawing(found),
        described=describe(Architecture.parse(found.architecture)).strip() if found.architecture is not None else "",
        metrics=metrics_table(found.values),
        params=pairs("parameter", "choice", [(key, str(value)) for key, value in found.params.items()]),
        longer=longer_table(found.longer),
        curve=plot_of(curve, settings) if curve is not None else None,
        log=known_trials.logged(store, name, number).text,
    )


@router.get("/card")
def card(name: Name, number: Number, store: Lent, settings: Chosen) -> Response:
    """The trial in short, for a click on a point."""
    found = _known(store, name, number)
    return HTMLResponse(render(settings, "trial_card.html", name=name, trial=found, neck=_drawing(found)))


@router.get("/costs")
def costs(name: Name, number: Number, store: Lent, settings: Chosen) -> Response:
    """The cost of each node."""
    found = _known(store, name, number)
    if found.architecture is None:
        raise Refusal(404, f"trial {number} of study {name!r} has no architecture yet")
    from nas.models.cost import cost  # torch

    def made() -> str:
        try:
            whole = cost(Architecture.parse(found.architecture))
        except NASError as error:
            return render(settings, "part_costs.html", table=None, reason=str(error))
        heads = (Head("part"), Head("size", number=True), Head("params", number=True), Head("MACs", number=True))
        rows = []
        for part in whole.parts:
            shape = "×".join(map(str, part.shape)) if part.shape is not None else "-"
            share = f"{100 * part.macs / whole.macs:.1f} %" if whole.macs else "-"
            cells = (
                part.name,
                shape,
                *(format_metric(m, v) for m, v in (("params", part.params), ("macs", part.macs))),
            )
            rows.append(Row((*cells, share, part.made)))
        table = Table((*heads, Head("share", number=True), Head("made of", long=True)), tuple(rows))
        return render(settings, "part_costs.html", table=table, reason="")

    return HTMLResponse(FRAGMENTS.get(("costs", store.database.name, found.digest), Stamp("costs"), made))


@router.get("/samples")
def predictions(name: Name, number: Number, store: Lent, settings: Chosen) -> Response:
    """Predictions on validation images beside the truth."""
    _known(store, name, number)
    record = store.study(name)
    assert record is not None

    def made() -> str:
        found = aside(_predicted, settings.storage, settings.artifacts, settings.plugins, name, number)
        shown = [
            {"name": s.name, "about": s.about, "size": s.size}
            | {key: b64encode(getattr(s, key)).decode() for key in ("truth", "prediction")}
            for s in found.samples
        ]
        return render(settings, "part_samples.html", samples=shown, reason=found.reason, threshold=found.threshold)

    key = (store.database.name, name, "samples", number)
    return HTMLResponse(FRAGMENTS.get(key, stamp(store, record), made))


def _predicted(storage: str, artifacts: str | None, own: tuple[str, ...], name: str, number: int) -> Samples:
    """The predictions of a trial's model; called aside."""
    from nas.report.samples import Samples, sample_predictions  # torch

    try:
        for path in own:
            plugins.load(path)
        with open_store(storage, create=False, artifacts=artifacts) as store:
            return sample_predictions(store, name, number)
    except NASError as error:
        return Samples(reason=str(error))


def _known(store: Store, name: str, number: int) -> TrialFacts:
    launched(store, name)
    if not find_trials(store.database, name, [number], with_params=False):
        raise Refusal(404, f"study {name!r} has no trial {number}")
    return trial_facts(store, name, number)


def _drawing(found: TrialFacts) -> Any:
    title = f"trial {found.trial}" + (f", baseline {found.name}" if found.name is not None else "")
    return drawing(title, found.architecture) if found.architecture is not None else None


def _curve(store: Store, name: str, found: TrialFacts) -> Drawn | None:
    """The learning curves of the trial's neck."""
    original = found.duplicate_of if found.duplicate_of is not None else found.trial
    curves: list[Curve] = [c for c in StudyFacts(store, name).curves if c.trial == original]
    figure = curves_figure(curves)
    if figure is None:
        return None
    caption = "Scores over the epochs; open marks are full trainings with other seeds."
    return Drawn("Learning curve", caption, for_script(figure.to_json()), int(figure.layout.height), "")
