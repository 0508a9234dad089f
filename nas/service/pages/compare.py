"""/compare: two necks, or two studies, side by side. Each is named as STUDY, or as STUDY:TRIAL."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nas.necks.spec import NeckSpec
from nas.report.drawn import Drawing, Drawn, drawing, drawn
from nas.report.facts import StudyFacts
from nas.report.sentences import answer, question
from nas.report.tables import Head, Row, Table, differences_table
from nas.service.pages.parts import plot_of
from nas.service.pages.render import page
from nas.service.problems import Refusal
from nas.service.routes.common import Chosen, Lent
from nas.storage import Store
from nas.storage.results import trial_facts
from nas.studies.metrics import Metrics, format_metric, in_order

router = APIRouter(include_in_schema=False)

Side = Annotated[str, Query(max_length=220, description="STUDY or STUDY:TRIAL")]


class Neck(NamedTuple):
    """A side that is a trial."""

    label: str
    study: str
    trial: int
    drawing: Drawing
    values: Metrics
    spec: NeckSpec


@router.get("/compare")
def compare(request: Request, store: Lent, settings: Chosen, a: Side = "", b: Side = "") -> Response:
    """The page: a form, and the comparison once both sides are named."""
    studies = [record.name for record in store.studies()]
    about: dict[str, Any] = {"a": a, "b": b, "studies": studies, "fault": "", "kind": "", "sides": []}
    if a and b:
        try:
            about |= _compared(store, settings, a, b)
        except Refusal as refusal:
            about["fault"] = str(refusal)
    return page(request, "compare.html", **about)


def _compared(store: Store, settings: Any, a: str, b: str) -> dict[str, Any]:
    if (":" in a and store.study(a) is None) or (":" in b and store.study(b) is None):
        sides = [_neck(store, word) for word in (a, b)]
        first, second = sides
        labels = (first.label, first.spec), (second.label, second.spec)
        return {
            "kind": "necks",
            "sides": sides,
            "differences": differences_table(*labels),
            "numbers": _numbers(first, second),
        }
    facts = [StudyFacts(store, _study(store, word)) for word in (a, b)]
    return {"kind": "studies", "sides": [_study_side(f, settings) for f in facts]}


def _study(store: Store, word: str) -> str:
    if store.study(word) is None:
        raise Refusal(404, f"there is no study {word!r}")
    return word


def _neck(store: Store, word: str) -> Neck:
    """A trial as STUDY:NUMBER; of a study alone its best."""
    named = re.fullmatch(r"(.+):(\d{1,9})", word)
    facts = StudyFacts(store, _study(store, named[1] if named else word))
    best = facts.winner
    if named is None and best is None:
        raise Refusal(422, f"study {word!r} has no best trial yet")
    number = int(named[2]) if named is not None else best.trial if best is not None else 0
    known = facts.architectures([number])
    if number not in known:
        raise Refusal(404, f"study {facts.name!r} has no neck {number}")
    found, label = trial_facts(store, facts.name, number), f"{facts.name}:{number}"
    spec = NeckSpec.parse(known[number]["neck"])
    return Neck(label, facts.name, number, drawing(label, known[number]), found.values, spec)


def _numbers(a: Neck, b: Neck) -> Table:
    """The metrics of both, and how much the second differs."""
    rows = []
    for name in in_order(a.values, b.values):
        before, after = a.values.get(name), b.values.get(name)
        if before is None and after is None:
            continue
        change = f"{100 * (after / before - 1):+.1f} %" if before and after is not None else "-"
        rows.append(Row((name, format_metric(name, before), format_metric(name, after), change)))
    heads = (Head("metric"), *(Head(text, number=True) for text in (a.label, b.label, "change")))
    return Table(heads, tuple(rows))


def _study_side(facts: StudyFacts, settings: Any) -> dict[str, Any]:
    plots: list[Drawn] = [plot_of(drawn(key, facts), settings) for key in ("front", "best", "sizes")]
    return {
        "name": facts.name,
        "state": facts.record.state,
        "question": question(facts.spec),
        "answer": answer(facts),
        "plots": plots,
        "neck": drawing(f"trial {facts.winner.trial}", facts.winner.architecture) if facts.winner is not None else None,
    }
