"""The sampler with a Gaussian process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.search.gaussian import GaussianSampler

LETTERS = ("a", "b", "c", "d", "e")


def ask(trial: Any) -> dict[str, Any]:
    """Some parameters depend on another."""
    params = {name: trial.suggest_categorical(name, LETTERS) for name in ("x", "y")}
    params["width"] = trial.suggest_int("width", 16, 64, step=16)
    if params["x"] != "a":
        params["z"] = trial.suggest_categorical("z", LETTERS)
        names = LETTERS[:3] if params["x"] == "b" else LETTERS
        params["v"] = trial.suggest_categorical("v_of_abc" if params["x"] == "b" else "v", names)
    return params


def score(params: dict[str, Any]) -> float:
    """At most 4, for c, d, 64, e, b."""
    hits = (params["x"] == "c") + (params["y"] == "d") + params["width"] / 64
    return float(hits + 0.5 * (params.get("z") == "e") + 0.5 * (params.get("v") == "b"))


def study(
    seed: int = 0, directions: Sequence[str] = ("maximize",), storage: Any = None, start: int = 6
) -> optuna.Study:
    sampler = GaussianSampler(ask, start=start, seed=seed)
    return optuna.create_study(
        directions=directions, sampler=sampler, storage=storage, study_name="s", load_if_exists=True
    )


def key(trial: Any) -> frozenset[Any]:
    return frozenset(trial.params.items())


def run(made: optuna.Study, count: int) -> None:
    for _ in range(count):
        trial = made.ask()
        made.tell(trial, score(ask(trial)))


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_best_and_asks_for_none_twice(seed: int) -> None:
    """One of 1,820 proposals is the best."""
    made = study(seed)
    run(made, 40)
    assert len({key(t) for t in made.trials}) == 40
    assert made.best_value == 4


def test_the_seed_decides() -> None:
    first, again, other = study(0), study(0), study(1)
    for made in (first, again, other):
        run(made, 12)
    assert [t.params for t in first.trials] == [t.params for t in again.trials]
    assert [t.params for t in first.trials] != [t.params for t in other.trials]


def test_a_resumed_study_has_the_same_knowledge() -> None:
    """A new sampler over the trials of another proposes as one that saw them all: nothing is kept in memory."""
    whole = study()
    run(whole, 20)
    resumed = optuna.create_study(direction="maximize", sampler=GaussianSampler(ask, seed=3))
    resumed.add_trials(whole.trials)
    same = GaussianSampler(ask, seed=3)
    same.infer_relative_search_space(whole, whole.trials[-1])  # the sampler of a process that goes on
    offers = [offer.params for offer in same._offers]
    resumed.sampler.infer_relative_search_space(resumed, resumed.trials[-1])
    assert offers == [offer.params for offer in resumed.sampler._offers]  # type: ignore[attr-defined]
    trial = resumed.ask()
    assert score(ask(trial)) >= 3


def test_parallel_proposals_differ_and_trials_under_way_count() -> None:
    made = study()
    run(made, 8)
    trials = [made.ask() for _ in range(16)]
    for trial in trials:
        ask(trial)
    assert len({key(t) for t in made.trials}) == 24
    spread = {name: {t.params.get(name) for t in trials} for name in ("x", "y", "width")}
    assert all(len(values) > 1 for values in spread.values())


def test_trials_asked_before_others_are_drawn() -> None:
    made = study()
    run(made, 8)
    one, other = made.ask(), made.ask()
    ask(other), ask(one)
    assert key(one) != key(other)


def test_the_start_is_spread_out() -> None:
    made = study(start=6)
    run(made, 6)
    for name in ("x", "y"):
        assert len({t.params[name] for t in made.trials}) >= 4


def test_broken_constraints_and_pruned_trials_teach_it() -> None:
    """What is above the limit is proposed less and less, though its value would be the best."""
    made = study()
    wide = []
    for _ in range(40):
        trial = made.ask()
        params = ask(trial)
        over = params["width"] - 32
        trial.set_constraint("width", over)
        wide.append(over > 0)
        if over > 0:
            made.tell(trial, state=TrialState.PRUNED)
        else:
            made.tell(trial, score(params))
    assert sum(wide[20:]) <= 4
    assert made.best_value == 3.5


def test_two_objectives() -> None:
    made = study(directions=("maximize", "minimize"))
    for _ in range(40):
        trial = made.ask()
        params = ask(trial)
        made.tell(trial, (score(params), params["width"]))
    front = {t.values[1]: t.values[0] for t in made.best_trials}
    assert len(front) >= 3
    assert front[16] >= 2.75


def test_baselines_without_parameters_and_failed_trials_are_passed_over() -> None:
    made = study()
    made.tell(made.ask(), 99.0)
    failed = made.ask()
    ask(failed)
    made.tell(failed, state=TrialState.FAIL)
    run(made, 30)
    assert sum(key(t) == key(failed) for t in made.trials) == 1
    assert max(t.value for t in made.trials[2:] if t.value is not None) >= 3.5
