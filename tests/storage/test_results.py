"""What a study has found, counted and compared from real tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.storage import Store, open_store
from nas.storage.results import Counts, Found, best_of, result, study_record, trial_facts
from nas.studies.spec import Objective
from tests.fabricated import Fabric, architecture, fabricate

AP = Objective(metric="ap", direction="maximize")
LATENCY = Objective(metric="latency_ms", direction="minimize")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The study `cells`, for reading."""
    with open_store(fabricate(tmp_path_factory.mktemp("store")), create=False) as store:
        yield store


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield store


def found(trial: int, **values: float) -> Found:
    return Found(trial=trial, name=None, values=dict(values), params={}, digest="d", architecture={}, feasible=True)


def test_every_trial_is_counted_once(store: Store) -> None:
    counts = result(store, "cells").trials
    assert counts == Counts(complete=4, pruned=1, failed=1, infeasible=1, duplicate=1, running=1, waiting=1)


def test_the_state_is_that_of_the_latest_launch(store: Store) -> None:
    assert result(store, "cells").state == "interrupted"


def test_the_best_is_feasible_and_no_duplicate(store: Store) -> None:
    (best,) = result(store, "cells").best
    assert (best.trial, best.name, best.values["ap"]) == (3, None, 0.372)
    assert best.digest == architecture(32).digest
    assert best.architecture == architecture(32).to_dict()
    assert set(best.params) == {"width"}


def test_as_rows_the_best_comes_first(store: Store) -> None:
    found = result(store, "cells")
    rows = found.to_rows()
    assert len(rows) == len(found.trained) == found.trials.complete
    assert (rows[0]["trial"], rows[0]["best"], rows[0]["ap"]) == (3, True, 0.372)
    assert rows == sorted(rows, key=lambda row: (not row["feasible"], -row["ap"]))
    assert [row["name"] for row in rows if not row["feasible"]] == ["panet"]
    assert {row["name"] for row in rows} >= {"fpn", "panet", None}


def test_as_a_table_of_pandas(store: Store) -> None:
    pytest.importorskip("pandas")
    found = result(store, "cells")
    assert found.to_pandas().to_dict("records")[0]["trial"] == found.to_rows()[0]["trial"]


def test_without_pandas_it_says_what_to_install(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"^to_pandas needs pandas: `pip install pandas`, or take to_rows\(\)$"):
        result(store, "cells").to_pandas()


def test_as_text_it_shows_the_best_beside_the_baselines(store: Store) -> None:
    text = str(result(store, "cells"))
    assert text.splitlines()[0].startswith("study cells: interrupted, 4 complete, 1 pruned")
    assert [line.split() for line in text.splitlines() if "best" in line] == [["best:", "trial", "3", "0.372"]]
    assert result(store, "cells")._repr_html_().startswith("<pre>study cells")


def test_baselines_are_named_and_may_be_infeasible(store: Store) -> None:
    baselines = result(store, "cells").baselines
    assert [(b.name, b.trial, b.feasible) for b in baselines] == [("fpn", 0, True), ("panet", 1, False)]
    assert [b.params for b in baselines] == [{}, {}]


def test_a_baseline_is_the_best_where_nothing_beats_it(empty: Store) -> None:
    study = Fabric(empty)
    study.complete(8, ap=0.5, baseline="fpn")
    study.complete(16, ap=0.4)
    assert [b.name for b in result(empty, "cells").best] == ["fpn"]


def test_a_repeated_pruned_trial_is_a_duplicate(empty: Store) -> None:
    study = Fabric(empty)
    study.duplicate(8, origin=study.pruned(8))
    assert result(empty, "cells").trials == Counts(pruned=1, duplicate=1)


def test_a_baseline_that_repeats_another_has_its_values(empty: Store) -> None:
    study = Fabric(empty)
    study.complete(8, ap=0.5, baseline="fpn")
    study.duplicate(8, origin=0, baseline="twin")
    found = result(empty, "cells")
    assert [(b.name, b.values["ap"]) for b in found.baselines] == [("fpn", 0.5), ("twin", 0.5)]
    assert [b.trial for b in found.best] == [0]


def test_several_objectives_give_the_pareto_front(empty: Store) -> None:
    study = Fabric(empty, objectives=("ap", "latency_ms"))
    study.complete(8, ap=0.30, latency_ms=5.0, baseline="fpn")
    study.complete(16, ap=0.40, latency_ms=10.0)
    study.complete(24, ap=0.35, latency_ms=11.0)
    study.complete(32, ap=0.99, latency_ms=1.0, feasible=False)
    study.complete(40, ap=0.40, latency_ms=9.0)
    assert [b.trial for b in result(empty, "cells").best] == [4, 0]


def test_equal_points_of_a_front_stay_and_the_oldest_of_equals_is_best() -> None:
    twins = [found(1, ap=0.4, latency_ms=9.0), found(2, ap=0.4, latency_ms=9.0)]
    assert [f.trial for f in best_of(twins, [AP, LATENCY])] == [1, 2]
    assert [f.trial for f in best_of(twins, [AP])] == [1]
    assert best_of([], [AP]) == []


def test_less_is_better_where_the_objective_says_so() -> None:
    assert [f.trial for f in best_of([found(1, latency_ms=9), found(2, latency_ms=8)], [LATENCY])] == [2]


def test_the_json_has_the_promised_keys_and_plain_values(store: Store) -> None:
    data = json.loads(json.dumps(result(store, "cells").to_json(), allow_nan=False))
    assert set(data) == {"study", "state", "seconds", "trials", "best", "baselines", "answer"}
    assert set(data["trials"]) == {"complete", "pruned", "failed", "infeasible", "duplicate", "running", "waiting"}
    keys = {"trial", "values", "params", "digest", "architecture"}
    assert [set(b) for b in data["best"]] == [keys]
    assert [set(b) for b in data["baselines"]] == [keys | {"name", "feasible"}] * 2
    assert data["best"][0]["values"] == {"ap": 0.372, "params": 1.5e6, "latency_ms": 14.0, "seconds": 12.34}
    assert [b["feasible"] for b in data["baselines"]] == [True, False]


def test_a_study_killed_before_its_first_trial_has_found_nothing(empty: Store) -> None:
    Fabric(empty, "other")
    record = study_record(empty, "other")
    empty.begin("cells", record.spec, "", "t", {}).close("interrupted")
    found = result(empty, "cells")
    assert (found.state, found.trials, found.best, found.baselines) == ("interrupted", Counts(), (), ())
    with pytest.raises(UserError, match="has no trial 0; its trials are none yet"):
        trial_facts(empty, "cells", 0)


def test_an_unknown_study_is_refused_with_those_close_to_it(store: Store) -> None:
    with pytest.raises(UserError, match=r"no study 'cell' in the database; did you mean cells\?"):
        result(store, "cell")
    with pytest.raises(UserError, match="no study 'zebra' in the database; there are cells"):
        trial_facts(store, "zebra", 0)


@pytest.mark.parametrize("number", [-1, 10])
def test_an_unknown_trial_is_refused_with_the_known_ones(store: Store, number: int) -> None:
    with pytest.raises(UserError, match=rf"has no trial {number}; its trials are 0 to 9"):
        trial_facts(store, "cells", number)


def test_the_facts_of_a_trained_trial(store: Store) -> None:
    facts = trial_facts(store, "cells", 0)
    assert (facts.state, facts.name, facts.values["ap"], facts.feasible) == ("complete", "fpn", 0.361, True)
    assert facts.architecture == architecture(8).to_dict()
    assert [point.epoch for point in facts.curve] == [1, 2]


def test_the_facts_of_a_trial_that_trained_nothing(store: Store) -> None:
    states = [trial_facts(store, "cells", n).state for n in range(4, 10)]
    assert states == ["duplicate", "infeasible", "pruned", "failed", "running", "waiting"]
    failed = trial_facts(store, "cells", 7)
    assert failed.error == "the loss is not finite"
    assert [(a.state, a.error) for a in failed.attempts] == [("failed", "the loss is not finite")]
    copy = trial_facts(store, "cells", 4)
    assert (copy.duplicate_of, copy.values["ap"], copy.feasible) == (3, 0.372, True)
    waiting = trial_facts(store, "cells", 9)
    assert (waiting.architecture, waiting.digest, waiting.feasible) == (None, None, None)
