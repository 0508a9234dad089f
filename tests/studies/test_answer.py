"""What a study found, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from nas.errors import SpecError
from nas.studies.answer import Finalist, Gain, conclude, milestones
from nas.studies.spec import StudySpec


def finalist(name: str | None, mean: float, params: float, ms: float | None) -> Finalist:
    values = {"params": params, "latency_ms": ms}
    return Finalist(
        trial=8,
        name=name,
        digest=str(name),
        scores=(mean,) * 3,
        seeds=(0, 1, 2),
        epochs=48,
        mean=mean,
        low=mean - 0.01,
        high=mean + 0.01,
        values=values,
    )


def gain(over: str, value: float, low: float | None, high: float | None) -> Gain:
    return Gain(over=over, metric="ap", gain=value, low=low, high=high, split="test")


WINNER = finalist(None, 0.45, 300e3, 16.0)
FPN = finalist("fpn", 0.42, 199e3, 11.0)
BIFPN = finalist("bifpn", 0.41, 400e3, 17.0)
ALL = (WINNER, FPN, BIFPN)
AP: dict[str, Any] = {"metric": "ap", "direction": "maximize"}


def test_better() -> None:
    gains = [gain("fpn", 0.03, 0.01, 0.05), gain("bifpn", 0.04, 0.02, 0.06)]
    verdict, sentence = conclude(WINNER, ALL, gains, **AP, split="test", limits=["params"])
    assert verdict == "better"
    assert sentence == (
        "Trial 8 is better than fpn by 0.030 AP (95 %: 0.010 to 0.050), full training, 3 seeds each, on images that "
        "the search never saw; at 16.00 ms against 11.00 ms, 300.00 k parameters against 199.00 k, at a higher params."
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict", "says"),
    [
        (-0.01, 0.05, "no better", "is shown to beat fpn: trial 8, its best trial, gains 0.020"),
        (-0.05, -0.01, "worse", "beats fpn: trial 8, its best trial, loses 0.030"),
    ],
)
def test_no_better_is_said_as_plainly(low: float, high: float, verdict: str, says: str) -> None:
    found, sentence = conclude(WINNER, ALL, [gain("fpn", (low + high) / 2, low, high)], **AP, split="val")
    assert found == verdict
    assert says in sentence
    assert "on the validation images, which also chose it" in sentence
    assert "the cheapest that is not clearly worse than the best is" in sentence


def test_the_cheapest_that_is_not_clearly_worse() -> None:
    _, sentence = conclude(WINNER, ALL, [gain("fpn", 0.03, -0.01, 0.07)], **AP, split="test")
    assert sentence.endswith("not clearly worse than the best is fpn, with 199.00 k parameters and 11.00 ms.")


@pytest.mark.parametrize("gains", [[], [gain("fpn", 0.03, None, None)]])
def test_without_a_bound_nothing_is_claimed(gains: list[Gain]) -> None:
    assert conclude(WINNER, ALL, gains, **AP, split="test")[0] == "unclear"


def test_lengths_double() -> None:
    assert milestones(4, 48) == (4, 8, 16, 32, 48)
    assert milestones(8, 96) == (8, 16, 32, 64, 96)
    assert milestones(5, 5) == (5,)
    assert milestones(4, 5) == (4, 5)


def test_worse_than_one_baseline_is_worse_whatever_the_others_show() -> None:
    gains = [gain("fpn", -0.02, -0.06, 0.02), gain("bifpn", -0.01, -0.015, -0.005)]
    verdict, sentence = conclude(WINNER, ALL, gains, **AP, split="test")
    assert verdict == "worse"
    assert "beats bifpn" in sentence


def test_where_less_is_better_the_best_has_least() -> None:
    error: dict[str, Any] = {"metric": "error", "direction": "minimize"}
    _, sentence = conclude(WINNER, ALL, [gain("fpn", -0.03, -0.05, 0.001)], **error, split="val", by_image=False)
    assert "is fpn, with" in sentence
    assert "whose chance is not counted" in sentence


TASK: dict[str, Any] = {"kind": "detection", "data": {"kind": "digits"}, "epochs": 4}


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"promotion": "some"}, "promotion: should be none, auto or a mapping, not 'some'"),
        ({"promotion": {"keep": 2}}, "promotion.keep: should be less than 1, not 2"),
        ({"promotion": {"epochs": [8, 40]}}, "promotion.epochs: should rise from task.epochs, 4, to full.epochs, 40"),
        ({"finalists": 3}, "finalists: should be none or a mapping, not 3"),
        ({"finalists": {"seeds": 1}}, "finalists.seeds: should be greater than or equal to 2, not 1"),
        (
            {"finalists": {}, "full": {"image_size": 320}},
            "finalists: needs a full training that differs in epochs alone",
        ),
        ({"promotion": "auto", "full": {"epochs": 3}}, "full.epochs: should be at least task.epochs, 4, not 3; or set"),
        ({"promotion": "auto", "task": TASK | {"schedule": "one_cycle"}}, "promotion: needs task.schedule: constant"),
        ({"finalists": {}, "objectives": ["params"]}, "finalists: needs an objective that training decides"),
    ],
    ids=str,
)
def test_what_a_study_cannot_ask_for(keys: dict[str, Any], fault: str) -> None:
    with pytest.raises(SpecError) as caught:
        StudySpec.parse({"task": TASK} | keys, "study.yaml")
    assert fault in str(caught.value)
