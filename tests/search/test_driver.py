"""launch: budgets, baselines, constraints, duplicates, failures, objectives, resumption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.errors import SpecError, TrialFailed, UserError
from nas.executors import EXECUTORS
from nas.necks.topologies import fpn
from nas.search import launch
from nas.storage import open_store
from nas.storage.results import Result
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import StudySpec
from nas.tasks.base import Task
from tests import searches
from tests.searches import quick, spec


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)


@pytest.fixture
def lines() -> list[str]:
    return []


def run(folder: Path, study: StudySpec, lines: list[str] | None = None) -> Result:
    return launch(study, storage=searches.url(folder), say=(lines if lines is not None else []).append)


class TestBudget:
    def test_trials_count_baselines_and_distinct_architectures(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec())
        assert (result.state, result.trials.complete) == ("done", 6)
        assert [b.name for b in result.baselines] == ["fpn", "panet"]
        assert [b.trial for b in result.baselines] == [0, 1]
        with open_store(searches.url(tmp_path), create=False) as store:
            digests = {t.key.digest for t in store.trials("small") if store.evaluation(t.key)}
        assert len(digests) == 6

    def test_all_baselines_run_even_if_fewer_trials_are_asked_for(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec(budget={"trials": 1}))
        assert result.trials.complete == 2
        assert {b.name for b in result.baselines} == {"fpn", "panet"}

    def test_the_number_is_the_studys_total(self, tmp_path: Path) -> None:
        run(tmp_path, spec(budget={"trials": 4}))
        assert run(tmp_path, spec(budget={"trials": 7})).trials.complete == 7
        assert run(tmp_path, spec(budget={"trials": 7})).trials.complete == 7

    def test_seconds_add_up_over_launches(self, tmp_path: Path) -> None:
        first = run(tmp_path, spec(budget={"seconds": 0.001}))
        assert first.state == "done"
        assert first.trials.complete == 2, "baselines run all the same"
        again = run(tmp_path, spec(budget={"seconds": first.seconds + 1e-6, "trials": 100}))
        assert again.trials.complete == 2

    def test_a_space_seen_whole_is_exhausted(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec(budget={"trials": 100}))
        assert result.state == "exhausted"
        assert result.trials.complete == 12 + 2
        assert result.trials.running == result.trials.waiting == 0


class TestConstraints:
    def test_infeasible_proposals_are_never_trained(self, tmp_path: Path) -> None:
        trained: list[str] = []

        def watched(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            trained.append(job.architecture.digest)
            yield from quick(task, job)

        with pytest.MonkeyPatch.context() as patch:
            searches.install(patch, watched)
            result = run(tmp_path, spec(budget={"trials": 30}, constraints={"neck_params": 12_000}))
        assert result.state == "exhausted"
        assert result.trials.infeasible > 0
        assert len(trained) == len(set(trained)) == result.trials.complete
        others = set(trained) - {b.digest for b in result.baselines}  # which run whatever they cost
        assert len(others) == len(trained) - 2
        with open_store(searches.url(tmp_path), create=False) as store:
            found = {t.key.digest: store.evaluation(t.key) for t in store.trials("small") if t.key.digest in others}
        costs = [e.measurement.metrics["neck_params"] for e in found.values() if e is not None]
        assert len(costs) == len(others) > 0
        assert max(costs) <= 12_000

    def test_a_baseline_that_breaks_one_runs_and_is_never_the_best(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec(budget={"trials": 5}, constraints={"neck_params": 12_000}))
        assert [b.feasible for b in result.baselines] == [False, False]
        assert {(f.feasible, f.name) for f in result.best} == {(True, None)}

    def test_one_that_no_neck_meets_is_refused_and_nothing_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match=r"constraints.params: no neck of the space meets 10"):
            run(tmp_path, spec(constraints={"params": 10}))
        assert not list(tmp_path.iterdir())

    def test_latency_ends_a_trial_before_its_training(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec(budget={"trials": 30}, constraints={"latency_ms": 300}))
        assert result.state == "exhausted"
        assert result.trials.infeasible > 0
        latencies = [f.values["latency_ms"] for f in result.best]
        assert latencies
        assert max(latencies) <= 300
        with open_store(searches.url(tmp_path), create=False) as store:
            slow = [a for t in store.trials("small") for a in store.attempts(t.key) if a.state == "infeasible"]
        assert slow


class TestDuplicates:
    def test_none_is_trained_twice_and_each_is_told_the_same_values(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec(budget={"trials": 100}))
        assert result.trials.duplicate > 0
        with open_store(searches.url(tmp_path), create=False) as store:
            import optuna

            study = optuna.load_study(study_name="small", storage=store.optuna)
            again = [trial for trial in study.trials if "duplicate_of" in trial.user_attrs]
            assert len(again) == result.trials.duplicate
            for trial in again:
                assert trial.values == study.trials[trial.user_attrs["duplicate_of"]].values
            ended = [len([a for a in store.attempts(t.key) if a.state == "complete"]) for t in store.trials("small")]
        assert max(ended) == 1

    def test_another_study_of_the_same_task_takes_what_is_there(self, tmp_path: Path) -> None:
        run(tmp_path, spec(budget={"trials": 100}, keep="all"))

        def never(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            raise AssertionError("trained again")
            yield

        with pytest.MonkeyPatch.context() as patch:
            searches.install(patch, never)
            again = run(tmp_path, spec(name="other", budget={"trials": 100}))
        assert again.trials.complete == 14

    def test_one_whose_weights_were_dropped_is_trained_again(self, tmp_path: Path) -> None:
        run(tmp_path, spec(budget={"trials": 100}, keep=1))
        again = run(tmp_path, spec(name="other", budget={"trials": 100}, keep="all"))
        assert again.trials.complete == 14
        with open_store(searches.url(tmp_path), create=False) as store:
            kept = [store.has_artifact(str(t.key), "weights") for t in store.trials("other")]
        assert len(kept) >= 14
        assert all(kept)

    def test_a_baseline_trained_already_is_told_the_same_and_counts_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        twins = {"fpn": fpn((2, 3, 4), 16), "twin": fpn((2, 3, 4), 16)}
        monkeypatch.setattr("nas.search.setup.baseline_necks", lambda names, frame, space: twins)
        result = run(tmp_path, spec(budget={"trials": 3}, keep=1))
        assert (result.state, result.trials.complete) == ("done", 3)
        first, second = result.baselines
        assert (first.name, second.name) == ("fpn", "twin")
        assert first.values == second.values
        with open_store(searches.url(tmp_path), create=False) as store:
            keys = {t.number: t.key for t in store.trials("small")}
            assert keys[first.trial] == keys[second.trial]
            assert [a.state for a in store.attempts(keys[first.trial])] == ["complete"]
        assert run(tmp_path, spec(budget={"trials": 4}, keep=1)).trials.complete == 4


class TestFailures:
    def test_five_in_a_row_end_the_search(self, tmp_path: Path, lines: list[str]) -> None:
        def broken(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            raise TrialFailed("the loss became nan in epoch 1 (step 3); try a lower task.lr")
            yield

        with pytest.MonkeyPatch.context() as patch:
            searches.install(patch, broken)
            result = run(tmp_path, spec(budget={"trials": 100}), lines)
        assert (result.state, result.trials.failed, result.best) == ("failed", 5, ())
        assert any("the loss became nan" in line for line in lines)

    def test_a_failure_does_not_count(self, tmp_path: Path) -> None:
        jobs: list[str] = []

        def sometimes(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            jobs.append(job.id)
            if 2 < len(jobs) <= 5:  # after the two baselines
                raise TrialFailed("the loss became nan")
            yield from quick(task, job)

        with pytest.MonkeyPatch.context() as patch:
            searches.install(patch, sometimes)
            result = run(tmp_path, spec())
        assert (result.state, result.trials.complete, result.trials.failed) == ("done", 6, 3)
        assert len(jobs) == len(set(jobs)) == 9

    def test_an_objective_that_is_not_a_number_fails_the_trial(self, tmp_path: Path) -> None:
        def hollow(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            for step in quick(task, job):
                empty = step.model_copy(update={"metrics": {**step.metrics, "ap": None}})
                yield empty if isinstance(step, Measurement) else step

        with pytest.MonkeyPatch.context() as patch:
            searches.install(patch, hollow)
            result = run(tmp_path, spec())
        assert result.state == "failed"
        assert result.trials.failed >= 5


class TestObjectives:
    def test_several_give_a_front(self, tmp_path: Path) -> None:
        objectives = ["ap", {"metric": "latency_ms", "direction": "minimize"}]
        result = run(tmp_path, spec(budget={"trials": 100}, objectives=objectives, sampler="tpe"))
        points = [(f.values["ap"], f.values["latency_ms"]) for f in result.best]
        assert len(points) > 1
        assert [b for b in points if any(a > b[0] and m < b[1] for a, m in points)] == []

    def test_a_cost_that_an_earlier_study_did_not_know_of_is_added(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
    ) -> None:
        def of_its_day(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            for step in quick(task, job):
                known = {k: v for k, v in step.metrics.items() if k != "activation_bytes"}
                yield step.model_copy(update={"metrics": known})

        def never(task: Task, job: Job) -> Iterator[Progress | Measurement]:
            raise TrialFailed("trained again")

        searches.install(monkeypatch, of_its_day)
        run(tmp_path, spec(budget={"trials": 2}))
        searches.install(monkeypatch, never)
        objectives = ["ap", "activation_bytes"]
        result = run(tmp_path, spec(name="later", budget={"trials": 2}, objectives=objectives))
        assert (result.state, result.trials.complete) == ("done", 2)
        assert [f.values["activation_bytes"] > 0 for f in result.baselines] == [True, True]

    def test_one_that_the_data_cannot_give_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        poor = _without(searches.prepared(), "ap_small")
        monkeypatch.setattr("nas.tasks.load", lambda *_, **__: poor)
        with pytest.raises(SpecError, match=r"objectives\[0\].metric: the validation data cannot give ap_small"):
            run(tmp_path, spec(objectives=["ap_small"]))


def _without(task: Any, metric: str) -> Any:
    from dataclasses import replace

    return replace(task, available=task.available - {metric})


class TestPruning:
    def test_pruned_trials_count_and_baselines_are_never_pruned(self, tmp_path: Path) -> None:
        pruner = {"kind": "median", "n_startup_trials": 2, "n_warmup_steps": 0}
        result = run(tmp_path, spec(budget={"trials": 10}, pruner=pruner))
        assert result.trials.pruned > 0
        assert result.trials.complete + result.trials.pruned == 10
        assert len(result.baselines) == 2

    def test_what_another_study_pruned_is_trained_to_the_end(self, tmp_path: Path) -> None:
        pruner = {"kind": "median", "n_startup_trials": 2, "n_warmup_steps": 0}
        assert run(tmp_path, spec(budget={"trials": 10}, pruner=pruner)).trials.pruned > 0
        other = run(tmp_path, spec(name="other", budget={"trials": 100}))
        assert (other.trials.complete, other.trials.pruned) == (14, 0)
        with open_store(searches.url(tmp_path), create=False) as store:
            found = [store.evaluation(t.key) for t in store.trials("other")]
        assert {(e.state, len(e.curve)) for e in found if e is not None} == {("complete", 3)}

    def test_a_baseline_is_trained_to_the_end_over_a_pruned_evaluation(self, tmp_path: Path) -> None:
        study = spec(baselines=["fpn"], budget={"trials": 1})
        (tmp_path / "first").mkdir()
        run(tmp_path / "first", study)
        with open_store(searches.url(tmp_path / "first"), create=False) as store:
            key = store.trials("small")[0].key
            complete = store.evaluation(key)
        assert complete is not None
        ours = complete.measurement.model_copy(update={"details": {"pruned_by": "small"}})
        with open_store(searches.url(tmp_path), create=True) as store:
            store.record(complete.model_copy(update={"state": "pruned", "measurement": ours}))
            result = run(tmp_path, study)
            assert [b.name for b in result.baselines] == ["fpn"]
            assert store.evaluation(key) == complete
            assert store.has_artifact(str(key), "weights")


class TestExecutor:
    def test_one_that_cannot_start_is_refused_and_nothing_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> Any:
            raise UserError("no cluster at 10.0.0.1:6379")

        monkeypatch.setitem(EXECUTORS.own, "local", refuse)
        with pytest.raises(UserError, match="no cluster"):
            run(tmp_path, spec())
        assert not list(tmp_path.iterdir())


class TestResuming:
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"seed": 1}, r"seed: is 0 in the database, 1 now"),
            ({"task": searches.TASK | {"epochs": 4}}, r"task.epochs: is 3 in the database, 4 now"),
            ({"objectives": ["ap50"]}, r"objectives: is .*'ap'.* in the database, .*'ap50'.* now"),
        ],
    )
    def test_other_settings_are_refused_by_name(self, tmp_path: Path, change: dict[str, Any], named: str) -> None:
        run(tmp_path, spec(budget={"trials": 2}))
        with pytest.raises(SpecError, match=named):
            run(tmp_path, spec(**change))

    def test_budget_workers_and_executor_may_change(self, tmp_path: Path) -> None:
        run(tmp_path, spec(budget={"trials": 2}))
        result = run(tmp_path, spec(budget={"trials": 3}, workers={"count": 2}))
        assert result.trials.complete == 3
        with open_store(searches.url(tmp_path), create=False) as store:
            record = store.study("small")
        assert record is not None
        assert record.spec.budget.trials == 3

    def test_the_lease_is_taken_after_the_preparation(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run(tmp_path, spec(budget={"trials": 2}))
        states: list[str] = []

        def load(*_: Any, **__: Any) -> Task:
            with open_store(searches.url(tmp_path), create=False) as store:
                states.extend(study.state for study in store.studies())
            return searches.prepared()

        monkeypatch.setattr("nas.tasks.load", load)
        assert run(tmp_path, spec(budget={"trials": 3})).trials.complete == 3
        assert states == ["done"], "preparing is not counted in the study's seconds"

    def test_a_study_of_another_tool_is_not_taken_over(self, tmp_path: Path) -> None:
        import optuna

        optuna.create_study(storage=searches.url(tmp_path), study_name="small")
        with pytest.raises(UserError, match="another tool"):
            run(tmp_path, spec())

    def test_a_database_with_only_optunas_tables_is_accepted(self, tmp_path: Path) -> None:
        import optuna

        optuna.create_study(storage=searches.url(tmp_path), study_name="theirs")
        assert run(tmp_path, spec()).trials.complete == 6


class TestWeights:
    def test_the_best_and_the_baselines_are_kept(self, tmp_path: Path) -> None:
        result = run(tmp_path, spec(budget={"trials": 100}, keep=2))
        with open_store(searches.url(tmp_path), create=False) as store:
            keys = {str(t.key) for t in store.trials("small") if store.evaluation(t.key)}
            kept = {key.split("/")[0] for key in keys if store.get_artifact(key, "weights")}
        baselines = {b.digest for b in result.baselines}
        assert baselines | {result.best[0].digest} <= kept
        assert len(keys) == 14
        assert len(kept - baselines) <= 2


@pytest.mark.slow
def test_free_graphs_are_searched_from_asking_to_telling(tmp_path: Path) -> None:
    cells = {"finest": 2, "levels": [2, 3], "cells": [0, 1], "width": [16, 32], "repeats": 1}
    limits = {"neck_params": 60_000}
    study = spec(
        search_space="merging_cells", space=cells, sampler="tpe", constraints=limits, baselines=["nas_fpn", "gfpn"]
    )
    result = run(tmp_path, study)
    assert result.state == "done"
    assert result.trials.complete >= 3
