"""What a script gives a launch in place of names: real databases and loop, the training replaced by a quick sum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import nas
from nas.errors import NASError, SpecError, UserError
from nas.necks.topologies import fpn
from nas.plugins import forget
from nas.search import FinishedTrial, launch
from nas.storage import open_store
from nas.storage.results import Result
from nas.studies import catalog
from nas.studies.metrics import Metric, measure_model
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from tests import searches
from tests.opened import restored

PLUGIN = """
import nas
nas.register("metrics", "depth", nas.Metric("nodes", "minimize", of_architecture=lambda a: len(a.neck.nodes)))
"""

RUNS: list[str] = []

WHOLE: dict[str, Any] = {"baselines": [], "budget": {"trials": 12}, "keep": "all"}
"""Keys of a study that trains its whole space and keeps all weights."""


def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """The quick evaluation, with the user's metrics as the real one has them."""
    RUNS.append(job.architecture.digest)
    for step in searches.quick(task, job):
        if isinstance(step, Measurement):
            metrics = step.metrics | job.known | measure_model(job.metrics, None, None, None)
            step = step.model_copy(update={"metrics": metrics})
        yield step


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    searches.install(monkeypatch, evaluate)
    RUNS.clear()
    with restored():
        yield


def run(folder: Path, changes: dict[str, Any] | None = None, **given: Any) -> Result:
    return launch(searches.spec(**(changes or {})), storage=searches.url(folder), say=lambda line: None, **given)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "depth.py"
    path.write_text(PLUGIN)
    return path


class TwoWidths(nas.Space):
    parameters = {"width": (16, 32)}

    def neck(self, choose: Any, frame: Any) -> Any:
        return fpn(frame.levels, width=choose("width"))


class TestSpace:
    def test_a_class_proposes_its_necks_and_no_others(self, tmp_path: Path) -> None:
        found = run(tmp_path, {"space": {}, "baselines": []}, space=TwoWidths)
        assert found.state == "exhausted"
        assert {f.params["width"] for f in found.trained} == {16, 32}

    def test_a_baseline_gets_the_widest_of_the_class(self, tmp_path: Path) -> None:
        found = run(tmp_path, {"space": {}, "budget": {"trials": 1}}, space=TwoWidths)
        widths = {node.get("width") for node in found.baselines[0].architecture["neck"]["nodes"]}
        assert widths == {32}

    def test_a_class_that_fails_is_named_with_what_it_had_chosen(self, tmp_path: Path) -> None:
        class Broken(TwoWidths):
            def neck(self, choose: Any, frame: Any) -> Any:
                return fpn(frame.levels, width=choose("width") / 0)

        with pytest.raises(UserError, match=r"^search space Broken failed with width 16 \(ZeroDivisionError"):
            run(tmp_path, {"space": {}, "baselines": []}, space=Broken)

    def test_a_mapping_is_kept_in_the_study_and_resumed_without_it(self, tmp_path: Path) -> None:
        space = {"name": "mine", "parameters": searches.SPACE | {"width": [16]}}
        changes = {"space": {}, "budget": {"trials": 1}, "baselines": []}
        run(tmp_path, changes, space=space)
        with open_store(searches.url(tmp_path), create=False) as store:
            record = store.study("small")
            assert record is not None
            file = catalog.change_study(record.spec, record.text, ["budget.trials=2"])
        again = launch(file, storage=searches.url(tmp_path), say=lambda line: None)
        assert again.trials.complete == 2

    def test_faults_of_a_mapping_stand_in_the_study(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError) as caught:
            run(tmp_path, {"space": {}}, space={"parameters": searches.SPACE | {"fusion": "stir"}})
        assert [fault.path for fault in caught.value.faults] == ["search_space.parameters.fusion"]


class TestSampler:
    def test_an_object_decides_and_is_recorded(self, tmp_path: Path) -> None:
        asked: list[str] = []

        class Watched(optuna.samplers.RandomSampler):
            def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
                asked.append(name)
                return super().sample_independent(study, trial, name, distribution)

        run(tmp_path, {"baselines": []}, sampler=Watched(seed=1))
        assert asked
        with open_store(searches.url(tmp_path), create=False) as store:
            record = store.study("small")
        assert record is not None
        assert record.spec.sampler.kind == "object"
        assert record.spec.sampler.options["class"].endswith("Watched")

    def test_to_go_on_takes_an_object_again(self, tmp_path: Path) -> None:
        sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=0)
        run(tmp_path, {"budget": {"trials": 3}}, sampler=sampler)
        with open_store(searches.url(tmp_path), create=False) as store:
            record = store.study("small")
            assert record is not None
            file = catalog.change_study(record.spec, record.text, ["budget.trials=4"])
        with pytest.raises(SpecError, match=r"sampler: is the object .*TPESampler of a script: nas\.launch"):
            launch(file, storage=searches.url(tmp_path), say=lambda line: None)
        other = optuna.samplers.TPESampler(n_startup_trials=5, seed=0)
        with pytest.raises(SpecError, match=r"settings\.n_startup_trials: is 3 in the database, 5 now"):
            run(tmp_path, {"budget": {"trials": 4}}, sampler=other)
        again = run(tmp_path, {"budget": {"trials": 4}}, sampler=optuna.samplers.TPESampler(n_startup_trials=3, seed=1))
        assert again.trials.complete == 4

    def test_a_pruner_prunes(self, tmp_path: Path) -> None:
        pruner = optuna.pruners.ThresholdPruner(lower=1.0)
        found = run(tmp_path, {"budget": {"trials": 4}}, pruner=pruner)
        assert found.trials.pruned == 2  # and the baselines are complete
        with pytest.raises(SpecError, match=r"pruner: object needs a single objective"):
            run(tmp_path, {"name": "two", "objectives": ["ap", "params"]}, pruner=pruner)


class TestMetric:
    def test_of_the_architecture_it_is_an_objective_and_a_constraint(self, tmp_path: Path, plugin: Path) -> None:
        given: dict[str, Any] = {"constraints": {"depth": 4}}
        found = run(tmp_path, given, plugins=[plugin], objective=["ap", "depth"])
        assert all(f.values["depth"] == len(f.architecture["neck"]["nodes"]) for f in found.trained)
        assert all(f.feasible == (f.values["depth"] <= 4) for f in found.trained)
        assert found.objectives[1].direction == "minimize"

    def test_a_bound_that_nothing_meets_is_told_at_once(self, tmp_path: Path, plugin: Path) -> None:
        with pytest.raises(SpecError, match=r"constraints\.depth: no neck of the space meets 1; the least is 4"):
            run(tmp_path, {"constraints": {"depth": 1}}, plugins=[plugin])

    def test_an_evaluation_without_it_is_not_taken_for_one_with_it(self, tmp_path: Path) -> None:
        run(tmp_path, {"name": "plain", **WHOLE})
        trained_first = set(RUNS)
        run(tmp_path, {"name": "again", **WHOLE})
        assert set(RUNS) == trained_first
        assert len(RUNS) == len(trained_first)  # all of it was taken from the database
        nas.register("metrics", "constant", Metric("x", of_model=lambda *_: 0.25))
        RUNS.clear()
        found = run(tmp_path, {"name": "own", **WHOLE}, objective=["ap", "constant"])
        assert set(RUNS) == trained_first
        assert {f.values["constant"] for f in found.trained} == {0.25}
        RUNS.clear()
        run(tmp_path, {"name": "own2", **WHOLE}, objective=["constant"])
        assert RUNS == []
        forget("metrics", "constant")
        nas.register("metrics", "constant", Metric("x", of_model=lambda *_: 0.75))  # other code, the same name
        found = run(tmp_path, {"name": "own3", **WHOLE}, objective=["constant"])
        assert {f.values["constant"] for f in found.trained} == {0.75}
        with pytest.raises(UserError, match=r"^the code of metric constant has changed since study 'own2' began"):
            run(tmp_path, {"name": "own2", **WHOLE, "budget": {"trials": 13}}, objective=["constant"])

    def test_a_failing_one_ends_the_launch_with_a_sentence(self, tmp_path: Path) -> None:
        nas.register("metrics", "broken", Metric("x", of_architecture=lambda a: 1 / 0))
        with pytest.raises(UserError, match=r"^metric broken failed \(ZeroDivisionError: division by zero\)$"):
            run(tmp_path, objective="broken")
        nas.register("metrics", "nothing", Metric("x", of_architecture=lambda a: float("nan")))
        with pytest.raises(UserError, match=r"^metric nothing gave nan, which is no finite number$"):
            run(tmp_path, {"name": "other"}, objective="nothing")

    def test_it_has_no_curve_to_prune_by(self, tmp_path: Path) -> None:
        nas.register("metrics", "constant", Metric("x", of_model=lambda *_: 0.25))
        with pytest.raises(SpecError, match=r"median follows a curve, and constant is measured only at the end"):
            run(tmp_path, {"pruner": "median"}, objective="constant")
        with pytest.raises(SpecError, match=r"constraints: constant cannot be bounded; one of params"):
            run(tmp_path, {"constraints": {"constant": 1}})


class TestCallback:
    def test_it_is_called_once_with_every_trial_that_ended(self, tmp_path: Path) -> None:
        seen: list[FinishedTrial] = []
        found = run(tmp_path, {"constraints": {"params": 1.1e6}, "budget": {"trials": 9}}, callbacks=[seen.append])
        counts = found.trials.model_dump()
        assert {state: sum(t.state == state for t in seen) for state in counts} == counts
        assert len({t.number for t in seen}) == len(seen)
        assert [t.baseline for t in seen if t.baseline] == ["fpn", "panet"]
        best = next(t for t in seen if t.number == found.best[0].trial)
        assert best.metrics == found.best[0].values
        assert best.architecture.to_dict() == found.best[0].architecture

    def test_an_exception_in_it_ends_the_launch_and_nothing_is_lost(self, tmp_path: Path) -> None:
        def third(trial: FinishedTrial) -> None:
            if trial.number == 2:
                raise ValueError("enough")

        with pytest.raises(NASError, match=r"^callback .*third failed at trial 2 \(ValueError: enough\); fini"):
            run(tmp_path, callbacks=[third])
        before = list(RUNS)
        found = run(tmp_path)
        assert found.state == "done"
        assert len(RUNS) == len(set(RUNS)) >= len(before)  # nothing was trained twice


class TestPlugin:
    def test_its_text_is_kept_and_asked_for_again(self, tmp_path: Path, plugin: Path) -> None:
        run(tmp_path, plugins=[plugin], objective="depth")
        with open_store(searches.url(tmp_path), create=False) as store:
            record = store.study("small")
        assert record is not None
        [kept] = record.provenance["plugins"]
        assert (kept["name"], kept["text"]) == ("depth.py", PLUGIN)
        assert record.provenance["metrics"] == {"depth": f"depth.py {kept['sha256'][:16]}"}
        run(tmp_path, {"budget": {"trials": 7}}, plugins=[plugin], objective="depth")

    def test_without_it_the_study_does_not_go_on(self, tmp_path: Path, plugin: Path) -> None:
        with restored():
            run(tmp_path, {"budget": {"trials": 3}}, plugins=[plugin], objective="depth")
        with pytest.raises(UserError, match=r"^study 'small' began with the plugin depth\.py: give it again"):
            run(tmp_path, {"budget": {"trials": 4}}, objective={"metric": "depth", "direction": "minimize"})
        plugin.write_text(PLUGIN + "\n# another\n")
        with pytest.raises(UserError, match=r"^the plugin depth\.py has changed since study 'small' began"):
            run(tmp_path, {"budget": {"trials": 4}}, plugins=[plugin], objective="depth")

    def test_a_study_names_no_code(self) -> None:
        for key in ("plugin", "plugins"):
            with pytest.raises(SpecError, match=rf"{key}: a study cannot name code: launch it with --plugin"):
                nas.Study.parse({"task": searches.TASK, key: ["depth.py"]})
