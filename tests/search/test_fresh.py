"""No neck is asked for twice, as far as the sampler can help it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import RandomSampler, TPESampler

from nas.search import launch
from nas.search.fresh import TRIES, FreshSampler
from nas.storage import open_store
from tests import searches

SPACE = searches.SPACE | {"topology": ["none", "top_down", "bidirectional"], "width": [8, 16, 24, 32]}


class Drawing(RandomSampler):
    """Proposes at random, all parameters at once, and counts."""

    drawn = 0

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {"x": CategoricalDistribution(tuple(range(10)))}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        self.drawn += 1
        return {"x": self.sample_independent(study, trial, "x", search_space["x"])}


def test_it_draws_until_a_proposal_is_new() -> None:
    known: set[int] = set()
    sampler = Drawing(seed=0)
    study = optuna.create_study(sampler=FreshSampler(sampler, [], lambda params: params["x"] in known))
    for _ in range(10):
        found = study.ask().suggest_categorical("x", tuple(range(10)))
        assert found not in known
        known.add(found)
    assert known == set(range(10))
    before = sampler.drawn
    assert study.ask().suggest_categorical("x", tuple(range(10))) in known
    assert sampler.drawn == before + TRIES, "it gives up where everything is known"


def test_the_seed_decides_the_random_start() -> None:
    """A sampler that has learned too little yet leaves its start to draws at random."""
    proposals = []
    for seed in (0, 0, 1):
        sampler = FreshSampler(TPESampler(seed=seed, multivariate=True), [], lambda params: False, seed)
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
        proposals.append([t.params["x"] for t in study.trials])
    assert proposals[0] == proposals[1]
    assert not set(proposals[0]) & set(proposals[2])


def test_everything_else_is_the_samplers() -> None:
    options: dict[str, Any] = {"seed": 0, "n_startup_trials": 1, "multivariate": True}
    wrapped = FreshSampler(TPESampler(**options), [], lambda params: False)
    proposals = []
    for sampler in (TPESampler(**options), wrapped):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2 + trial.suggest_int("y", 0, 5), n_trials=16)
        proposals.append([t.params for t in study.trials])
    assert proposals[0] == proposals[1]


@pytest.mark.parametrize(("sampler", "seed"), [("gp", 0), ("tpe", 0), ("tpe", 1)])
def test_a_study_hardly_asks_twice(sampler: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a score without structure: at most 1.1 proposals a training, over half of the space."""
    searches.install(monkeypatch)
    study = searches.spec(space=SPACE, sampler=sampler, budget={"trials": 30}, seed=seed)
    result = launch(study, storage=searches.url(tmp_path), say=lambda line: None)
    assert result.trials.complete == 30
    with open_store(searches.url(tmp_path), create=False) as store:
        [summary] = store.optuna.get_all_studies()
        asked = len(store.optuna.get_all_trials(summary._study_id))
    assert asked <= 1.1 * 30
