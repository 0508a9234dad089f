"""Trials that are trained on, finalists, and the answer: real databases and loop, the training replaced by a sum."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from nas.models.cost import static_costs
from nas.search import launch
from nas.search.dispatcher import Dispatcher
from nas.storage import Store, open_store
from nas.storage.results import longer_table, trial_facts
from nas.studies.answer import FINAL_SEED
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from nas.tasks.data import Dataset
from nas.tasks.outcomes import AREAS, DetectionOutcomes
from tests import searches
from tests.searches import score, spec

EPOCHS = 3
LENGTHS = (3, 6, 12, 24)
IMAGES = 12
ASKED: dict[str, Any] = {"promotion": "auto", "finalists": {"top": 2, "seeds": 2}, "full": {"epochs": 24}}
SHORT: dict[str, Any] = {"promotion": "none", "finalists": {"top": 1, "seeds": 2}, "budget": {"trials": 3}}

jobs: list[Job] = []
"""What was evaluated in this process."""


def level(digest: str, seed: int, epoch: int) -> float:
    """The AP after an epoch: rising to the score of the architecture, with a little luck of the seed."""
    luck = int(hashlib.sha256(f"{digest}{seed}".encode()).hexdigest()[:4], 16) / 0xFFFF - 0.5
    return (score(digest) + 0.02 * luck) * epoch / (epoch + 3)


def outcomes(ap: float, seed: int) -> DetectionOutcomes:
    """Outcomes of one class: of ten objects an image, the part `ap` is found, each time with the same overlap."""
    hits = np.random.default_rng(seed).random(10 * IMAGES) < ap
    flags = np.where(hits, 0b1111111111, 0).astype(np.uint16)[None].repeat(len(AREAS), 0)
    image = np.repeat(np.arange(IMAGES, dtype=np.int32), 10)
    falling = np.linspace(1, 0, 10 * IMAGES, dtype=np.float32)
    objects = np.full((len(AREAS), IMAGES, 1), 10, np.int32)
    return DetectionOutcomes(image, np.zeros_like(image), falling, flags, np.zeros_like(flags), objects)


def quick(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """What `nas.executors.evaluate` yields for a training that may go on; a state is the number of its last epoch."""
    jobs.append(job)
    digest, first = job.architecture.digest, int(job.state or 0)
    costs = dict(job.known) or dict(static_costs(job.architecture))
    costs.setdefault("latency_ms", 1e3 * score("latency" + digest))
    yield Progress(epoch=0, epochs=job.epochs, seconds=job.seconds, metrics=costs)
    last: dict[str, float | None] = {}
    for epoch in range(first + 1, job.epochs + 1):
        last = dict.fromkeys(task.available, level(digest, job.seed, epoch))
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=epoch, metrics=last | {"loss": 1 / epoch})
    files = {"state": str(job.epochs).encode()} if job.keep_state else {}
    if job.judge:
        files["outcomes-val"] = outcomes(last["ap"] or 0, job.seed).packed()
        files |= {"outcomes-test": tested.packed()} if (tested := unseen(task, job, last["ap"] or 0)) else {}
    metrics = costs | last | {"seconds": float(job.epochs)}
    yield Measurement(metrics=metrics, seconds=job.epochs, weights=digest.encode(), files=files)


def unseen(task: Task, job: Job, ap: float) -> DetectionOutcomes | None:
    """Outcomes on images for tests, where the test wants some."""
    return None


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Launches a study of the test's database."""
    jobs.clear()
    searches.install(monkeypatch, quick)

    def launched(**changes: Any) -> Any:
        return launch(spec(**ASKED | changes), storage=searches.url(tmp_path), say=lambda line: None)

    return launched


def lengths(store: Store, seed: int = 0) -> dict[int, int]:
    """How many evaluations there are of each length, with the search's own seed."""
    digests = {record.key.digest for record in store.trials("small")}
    key = store.trials("small")[0].key
    found = {}
    for epochs in LENGTHS:
        keys = [key.model_copy(update={"digest": d, "epochs": epochs, "seed": seed}) for d in digests]
        found[epochs] = sum(store.evaluation(k) is not None for k in keys)
    return found


def test_halves_go_on_from_where_they_were(search: Callable[..., Any], tmp_path: Path) -> None:
    result = search(budget={"trials": 8})
    assert result.trials.complete == 8
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.evaluation(store.trials("small")[0].key) is not None
        found = lengths(store)
        assert found[3] == 8
        assert found[3] > found[6] >= 4
        assert found[6] > found[12] >= found[24] >= 1
        going = [job for job in jobs if job.seed == 0 and job.epochs > EPOCHS]
        before = {6: 3, 12: 6, 24: 12}
        assert all(job.state == str(before[job.epochs]).encode() for job in going)
        assert all(job.seconds == before[job.epochs] for job in going)
        longest = next(job for job in jobs if job.seed == 0 and job.epochs == 24)
        record = next(r for r in store.trials("small") if r.key.digest == longest.architecture.digest)
        evaluation = store.evaluation(record.key.model_copy(update={"epochs": 24}))
        assert evaluation is not None
        assert [p.epoch for p in evaluation.curve] == list(range(1, 25)), "the whole curve, whoever trained its parts"


def test_states_of_what_will_not_go_on_are_deleted(search: Callable[..., Any], tmp_path: Path) -> None:
    search(budget={"trials": 8})
    with open_store(searches.url(tmp_path), create=False) as store:
        keys = {record.key for record in store.trials("small")}
        kept = [
            (key.digest, epochs)
            for key in keys
            for epochs in LENGTHS
            if store.has_artifact(str(key.model_copy(update={"epochs": epochs})), "state")
        ]
        assert not [item for item in kept if item[1] == 24], "nothing follows the full training"
        gone_on = {job.architecture.digest: job.epochs for job in jobs if job.seed == 0}
        assert all(epochs == gone_on[digest] for digest, epochs in kept), "only the last state of each"
        assert len(kept) < 8


def test_a_state_that_is_missing_means_training_from_the_start(search: Callable[..., Any], tmp_path: Path) -> None:
    search(budget={"trials": 8}, promotion={"bytes": 0.5})
    promoted = [job for job in jobs if job.seed == 0 and job.epochs > EPOCHS]
    assert promoted
    assert all(job.state is None for job in promoted)


def test_finalists_are_trained_with_fresh_seeds_and_answer(search: Callable[..., Any], tmp_path: Path) -> None:
    result = search(budget={"trials": 8})
    final = [job for job in jobs if job.seed >= FINAL_SEED]
    assert {job.seed for job in final} == {FINAL_SEED, FINAL_SEED + 1}
    assert all(job.epochs == 24 and job.judge and job.state is None for job in final)
    answer = result.answer
    assert answer is not None
    assert {f.name for f in answer.finalists} >= {"fpn"}
    assert sum(f.name is None for f in answer.finalists) == 2
    assert answer.winner.name is None
    assert answer.split == "val"
    assert {g.over for g in answer.gains} == {f.name for f in answer.finalists if f.name}
    trained = len(final) * 24
    assert answer.epochs.spent > trained
    assert answer.sentence in str(result)
    assert result.to_json()["answer"]["verdict"] == answer.verdict


def test_a_trial_shows_its_longer_trainings(search: Callable[..., Any], tmp_path: Path) -> None:
    winner = search(budget={"trials": 8}).answer.winner
    with open_store(searches.url(tmp_path), create=False) as store:
        facts = trial_facts(store, "small", winner.trial)
        trainings = [(t.epochs, t.seed) for t in facts.longer]
        assert trainings[0] == (6, 0)
        assert trainings[-2:] == [(24, FINAL_SEED), (24, FINAL_SEED + 1)]
        assert facts.longer[-1].values["ap"] == level(winner.digest, FINAL_SEED + 1, 24)
        assert "params" not in facts.longer[0].values
        study = optuna.load_study(study_name="small", storage=store.optuna)
        notes = study._storage.get_study_system_attrs(study._study_id).values()
    assert any(longer_table(facts.longer) in str(note) for note in notes), "the dashboard shows them too"


def test_images_for_tests_judge_where_all_finalists_have_a_score_on_them(
    search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "unseen", lambda task, job, ap: outcomes(0.5, job.seed))
    answer = search(**SHORT).answer
    assert answer.split == "test"
    assert {g.split for g in answer.gains} == {"test"}
    assert "on images that the search never saw" in answer.sentence
    assert len({f.scores for f in answer.finalists}) == 1, "they differ on the validation images alone"


def missing(task: Task, job: Job, ap: float) -> DetectionOutcomes | None:
    return None if job.seed == FINAL_SEED + 1 else outcomes(ap, job.seed)


def changed(task: Task, job: Job, ap: float) -> DetectionOutcomes:
    """Of fewer images: the files were changed after the first seed."""
    found = outcomes(ap, job.seed)
    return replace(found, objects=found.objects[:, :8]) if job.seed == FINAL_SEED + 1 else found


def empty(task: Task, job: Job, ap: float) -> DetectionOutcomes:
    """Without an object, so that there is no score."""
    found = outcomes(ap, job.seed)
    return replace(found, objects=found.objects * 0)


@pytest.mark.parametrize("of_test", [missing, changed, empty])
def test_the_validation_images_judge_where_a_score_is_missing(
    search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, of_test: Any
) -> None:
    monkeypatch.setitem(globals(), "unseen", of_test)
    answer = search(**SHORT).answer
    assert answer.split == "val"
    assert "on the validation images, which also chose it" in answer.sentence


@pytest.mark.parametrize(("finalists", "read"), [("none", 0), ({"top": 1, "seeds": 2}, 1)])
def test_images_for_tests_are_read_for_finalists_alone(
    search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, finalists: Any, read: int
) -> None:
    calls: list[float] = []
    original = Dataset.with_test
    monkeypatch.setattr(
        Dataset, "with_test", lambda self, held, faults: calls.append(held) or original(self, held, faults)
    )
    search(**SHORT | {"finalists": finalists})
    assert len(calls) == read


@pytest.mark.slow
def test_a_search_is_judged_on_images_that_it_never_saw(tmp_path: Path) -> None:
    """Nothing is replaced: scenes are composed, necks are trained, their outcomes are recorded and compared."""
    task = searches.TASK | {"epochs": 1, "backbone": {"levels": [3, 4], "name": "plain", "warmup": 1}}
    space = searches.SPACE | {"finest": 3, "width": 16, "topology": "none", "fusion": "add"}
    study = spec(
        task=task,
        space=space,
        baselines=["fpn"],
        budget={"trials": 2},
        full={"epochs": 2},
        finalists={"top": 1, "seeds": 2},
    )
    said: list[str] = []
    result = launch(study, storage=searches.url(tmp_path), say=said.append)
    assert "data: 8 test images, which nothing is chosen on, judge the finalists (0 MB beside the cache)" in said
    assert result.answer is not None
    assert result.answer.split == "test"
    assert [len(f.scores) for f in result.answer.finalists] == [2, 2]
    assert "images that the search never saw" in result.answer.sentence


def test_launched_again_it_trains_nothing_twice(search: Callable[..., Any]) -> None:
    first = search(budget={"trials": 8})
    count = len(jobs)
    again = search(budget={"trials": 8})
    assert len(jobs) == count
    assert again.answer == first.answer


def test_several_objectives_are_promoted_too(search: Callable[..., Any], tmp_path: Path) -> None:
    result = search(budget={"trials": 8}, objectives=["ap", "params"])
    assert result.answer is not None
    with open_store(searches.url(tmp_path), create=False) as store:
        assert lengths(store)[24] >= 1


def test_without_the_keys_nothing_goes_on(search: Callable[..., Any], tmp_path: Path) -> None:
    result = search(budget={"trials": 6}, promotion="none", finalists="none")
    assert result.answer is None
    assert {job.epochs for job in jobs} == {EPOCHS}
    assert not any(job.keep_state for job in jobs)


@pytest.mark.slow
@pytest.mark.parametrize("after", [7, 9, 12, 15, 18, 20])
def test_killed_between_promotions_and_finalists_it_loses_nothing(
    after: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed after so many recorded evaluations; launched again, each evaluation is recorded once and all are there."""
    searches.install(monkeypatch, quick)
    study, storage = spec(**ASKED, budget={"trials": 6}), searches.url(tmp_path)
    child = os.fork()
    if child == 0:
        original, calls = Dispatcher.record, 0

        def record(self: Any, *words: Any) -> Any:
            nonlocal calls
            calls += 1
            recorded = original(self, *words)
            if calls == after:
                os._exit(9)
            return recorded

        Dispatcher.record = record  # type: ignore[method-assign]
        launch(study, storage=storage, say=lambda line: None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "the drill must have killed the driver"
    jobs.clear()
    with open_store(storage, create=False) as store:
        before = store.evaluations(store.trials("small")[0].key.task)
    result = launch(study, storage=storage, say=lambda line: None)
    assert result.state == "done"
    assert result.answer is not None
    assert len(before) >= after
    done = {str(e.key) for e in before}
    assert not done & {job.id for job in jobs}, "nothing that was recorded is trained again"


def test_a_score_that_recorded_full_trainings_lack_is_measured(
    search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    search(**SHORT)

    def quantized(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        for step in quick(task, job):
            found = {"ap_int8": step.metrics.get("ap")} if isinstance(step, Measurement) else {}
            yield step.model_copy(update={"metrics": step.metrics | found})

    searches.install(monkeypatch, quantized)
    monkeypatch.setattr("nas.tasks.supervised.SupervisedTask.calibrated", lambda self: self)  # it is filled already
    jobs.clear()
    result = search(**SHORT, name="later", objectives=["ap_int8"])
    assert result.answer is not None
    assert result.answer.metric == "ap_int8"
    finals = [job for job in jobs if job.epochs == 24]
    digests = {job.architecture.digest for job in finals}
    assert len(finals) == 2 * len(digests)
    assert {job.architecture.digest for job in finals if job.weights is not None} == digests  # the seed with weights
