"""A study that begins with what earlier ones found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.errors import UserError
from nas.search import launch
from nas.search.setup import Earlier
from nas.search.warm_start import TOP, enqueue_earlier
from nas.storage import open_store
from nas.storage.attributes import attributes
from tests import searches
from tests.searches import spec

OTHER = searches.TASK | {"views": 2}
"""Another proxy, so that nothing is taken from the first study's evaluations."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)


def run(folder: Path, lines: list[str] | None = None, **changes: Any) -> None:
    launch(spec(**changes), storage=searches.url(folder), say=(lines if lines is not None else []).append)


def trials(folder: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    with open_store(searches.url(folder), create=False) as store:
        return optuna.load_study(study_name=name, storage=store.optuna).get_trials()


def test_the_best_of_earlier_studies_come_first(tmp_path: Path) -> None:
    run(tmp_path, budget={"trials": 8})
    lines: list[str] = []
    run(tmp_path, lines, name="next", task=OTHER, warm_start=["small"], budget={"trials": 6})
    earlier, now = trials(tmp_path, "small"), trials(tmp_path, "next")
    found = [t for t in earlier if attributes(t).baseline is None and attributes(t).duplicate_of is None]
    best = sorted(found, key=lambda t: -(t.value or 0))
    asked = [t for t in now if attributes(t).warm_start is not None and t.state == TrialState.COMPLETE]
    assert [attributes(t).baseline for t in now[:2]] == ["fpn", "panet"]
    assert [t.number for t in asked] == list(range(2, 2 + len(asked)))
    assert [t.params for t in asked] == [t.params for t in best[: len(asked)]]
    assert [attributes(t).warm_start for t in asked] == [f"small/{t.number}" for t in best[: len(asked)]]
    assert any("warm start" in line and f"small/{best[0].number}" in line for line in lines)


def test_a_resumed_study_proposes_none_again(tmp_path: Path) -> None:
    run(tmp_path, budget={"trials": 8})
    run(tmp_path, name="next", task=OTHER, warm_start=["small"], budget={"trials": 4})
    first = [attributes(t).warm_start for t in trials(tmp_path, "next")]
    run(tmp_path, name="next", task=OTHER, warm_start=["small"], budget={"trials": 10})
    marks = [attributes(t).warm_start for t in trials(tmp_path, "next")]
    assert marks[: len(first)] == first
    assert len([m for m in marks if m is not None]) == len({m for m in marks if m is not None}) <= TOP


def test_what_a_killed_launch_has_not_proposed_follows() -> None:
    study = optuna.create_study()
    earlier = [Earlier(f"a/{k}", {"x": k}) for k in range(TOP + 3)]
    enqueue_earlier(study, earlier[:2])
    enqueue_earlier(study, earlier)
    enqueue_earlier(study, [Earlier("b/1", {"x": 1}), *earlier])
    assert [attributes(t).warm_start for t in study.trials] == [f"a/{k}" for k in range(TOP)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"warm_start": ["smal"]}, "warm_start: there is no study 'smal' in the database"),
        ({"warm_start": ["small", "next"]}, "warm_start: 'next' is this study itself"),
        ({"warm_start": ["small"], "space": {"levels": 3}}, "warm_start: no trained neck of study 'small' lies in"),
    ],
)
def test_faults(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    run(tmp_path, budget={"trials": 3})
    changes = changes | {"space": searches.SPACE | changes.get("space", {})}
    with pytest.raises(UserError, match=said):
        run(tmp_path, name="next", **changes)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.study("next") is None


def test_without_a_database(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"warm_start: .* has no study 'small', because there is no such database"):
        run(tmp_path, name="next", warm_start=["small"])
    assert not list(tmp_path.iterdir())
