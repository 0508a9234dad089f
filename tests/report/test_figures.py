from __future__ import annotations

from typing import Any

import pytest

from nas.report import StudyFacts
from nas.report.figures.front import front_axes
from nas.report.gallery import GALLERY
from nas.storage import Store
from tests.fabricated import Fabric
from tests.report.studies import promoted, searched


def drawn(store: Store, key: str, name: str = "cells") -> Any:
    return GALLERY[key].draw(StudyFacts(store, name))


def trace(figure: Any, name: str) -> Any:
    return next(t for t in figure.data if t.name == name)


def test_the_front_has_a_line_and_marks_baselines(kinds: Store) -> None:
    figure = drawn(kinds, "front")
    front = trace(figure, "front")
    assert list(front.customdata) == list(range(2, 13))  # wider is better and slower; trial 1 breaks a constraint
    assert trace(figure, "baselines").text == ("fpn",)
    assert trace(figure, "breaks a constraint").customdata == (1,)
    assert "other trials" not in [t.name for t in figure.data]  # all are on the front
    assert figure.layout.xaxis.title.text == "latency (ms) ↓"


def test_two_objectives_are_the_axes_with_the_cost_below(kinds: Store) -> None:
    facts = StudyFacts(kinds, "front")
    axes = front_axes(facts.trained, facts.spec.objectives)
    assert axes is not None
    assert [o.metric for o in axes] == ["latency_ms", "ap"]


def test_the_best_over_time_rises_and_ends_at_the_last_trial(kinds: Store) -> None:
    best = trace(drawn(kinds, "best"), "best")
    assert list(best.y) == sorted(best.y)
    assert best.y[-1] == pytest.approx(0.396)
    assert best.x[-1] == max(best.x)
    assert trace(drawn(kinds, "best"), "best baseline").y == (0.361, 0.361)


def test_promotions_are_marked_on_the_curves(store: Store) -> None:
    study = Fabric(store)
    study.complete(8, ap=0.1)
    study.complete(16, ap=0.2, baseline="fpn")
    promoted(store, 8, 4)
    figure = drawn(store, "curves")
    assert (trace(figure, "promoted").x, trace(figure, "promoted").customdata) == ((2,), (0,))
    assert trace(figure, "fpn").line.dash == "dash"
    assert figure.layout.yaxis.title.text == "AP ↑"


def test_many_curves_are_grey(store: Store) -> None:
    searched(store)
    assert "7 others" in [t.name for t in drawn(store, "curves").data]


def test_finalists_sizes_effects_and_importances(kinds: Store) -> None:
    assert list(drawn(kinds, "finalists").layout.yaxis.categoryarray) == ["fpn", "trial 12"]
    sizes = drawn(kinds, "sizes")
    assert [(bar.name, list(bar.x)) for bar in sizes.data] == [
        ("trial 12", ["small", "medium", "large"]),
        ("fpn", ["small", "medium", "large"]),
    ]
    assert "each doubling of width" in drawn(kinds, "effects").data[0].y
    assert list(drawn(kinds, "importances").data[0].y) == ["width"]


@pytest.mark.parametrize("key", GALLERY)
def test_where_nothing_is_known_there_is_a_sentence(kinds: Store, key: str) -> None:
    facts = StudyFacts(kinds, "empty")
    assert GALLERY[key].draw(facts) is None
    assert GALLERY[key].missing(facts).endswith(".")


@pytest.mark.parametrize("name", ["cells", "front", "failed", "broken", "baselines"])
@pytest.mark.parametrize("key", GALLERY)
def test_every_figure_has_no_ground_and_a_height(kinds: Store, key: str, name: str) -> None:
    figure = drawn(kinds, key, name)
    assert figure is None or (figure.layout.paper_bgcolor == "rgba(0,0,0,0)" and figure.layout.height > 0)
