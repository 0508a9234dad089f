"""Effects of synthetic studies, whose effects are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nas.errors import UserError
from nas.search.effects import Effects, effects
from nas.studies.catalog import read_space
from tests.search.effects.synthetic import SPACE, Parameters, Truth, drawn, necks, searched, truth

NULL = ("fusion", "act")


def checked(found: Effects, truths: Sequence[Truth], space: Parameters = SPACE) -> tuple[list[bool], list[bool]]:
    """Whether each interval holds the true effect; whether each effect of a parameter without any is unclear."""
    covered, unclear = [], []
    for metric, known in zip(found.metrics, truths, strict=True):
        for e in metric.effects:
            seen = [c for c in space[e.parameter] if (x := metric.effect(e.parameter, c)) is None or x.necks]
            if e.value is not None:
                assert e.low is not None
                assert e.high is not None
                covered.append(e.low <= known.effect(e.parameter, e.choice, seen) <= e.high)
                if e.parameter in NULL:
                    unclear.append(not e.clear)
    return covered, unclear


@pytest.mark.parametrize("count", [14, 40])
def test_intervals_cover_the_true_effects(count: int) -> None:
    """Four samples of necks, each scored by 60 studies of their own effects."""
    rng = np.random.default_rng(count)
    covered: list[bool] = []
    unclear: list[bool] = []
    for _ in range(4):
        truths = [truth(rng, NULL) for _ in range(60)]
        rows = [drawn(rng) for _ in range(count)]
        values = [{f"m{k}": t.score(row) + rng.normal() for k, t in enumerate(truths)} for row in rows]
        found = checked(effects(necks(rows, values), list(values[0])), truths)
        covered += found[0]
        unclear += found[1]
    assert len(covered) > 3000
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(unclear) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("together", [0.0, 0.7])
def test_intervals_cover_the_effects_of_a_search(together: float) -> None:
    """80 studies whose later necks depend on the scores of the earlier ones."""
    rng = np.random.default_rng(7)
    covered: list[bool] = []
    unclear: list[bool] = []
    for _ in range(80):
        known = truth(rng, NULL, pair=("finest", "norm"), together=together)
        rows, scores = searched(rng, 30, known)
        found = checked(effects(necks(rows, [{"m": score} for score in scores]), ["m"]), [known])
        covered += found[0]
        unclear += found[1]
    print(f"covered {np.mean(covered):.3f}, unclear {np.mean(unclear):.3f}")
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(unclear) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("count", [16, 40])
def test_intervals_cover_where_choices_outnumber_necks(count: int) -> None:
    """240 studies on the space `pyramid`, with 27 columns; five of its parameters do nothing."""
    rng = np.random.default_rng(count)
    space = read_space("pyramid").parameters
    covered: list[bool] = []
    unclear: list[bool] = []
    interacting = []
    for _ in range(6):
        truths = [truth(rng, (*NULL, "upsample", "conv", "order"), space) for _ in range(40)]
        rows = [drawn(rng, space) for _ in range(count)]
        values = [{f"m{k}": t.score(row) + rng.normal() for k, t in enumerate(truths)} for row in rows]
        found = effects(necks(rows, values, space), list(values[0]))
        interacting += [bool(m.interactions) for m in found.metrics]
        one = checked(found, truths, space)
        covered += one[0]
        unclear += one[1]
    print(f"covered {np.mean(covered):.3f}, unclear {np.mean(unclear):.3f}, interacting {np.mean(interacting):.3f}")
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(unclear) > 0.9
    assert np.mean(interacting) < 0.1


def test_an_interaction_that_is_there_is_found_and_others_are_not() -> None:
    rng = np.random.default_rng(3)
    rows = [drawn(rng) for _ in range(48)]
    plain = [truth(rng) for _ in range(40)]
    paired = [truth(rng, pair=("finest", "norm"), together=1.0) for _ in range(40)]
    scores = {f"m{k}": [t.score(row) + rng.normal() for row in rows] for k, t in enumerate([*plain, *paired])}
    values = [{name: column[k] for name, column in scores.items()} for k in range(len(rows))]
    found = effects(necks(rows, values), list(scores)).metrics
    assert sum(bool(m.interactions) for m in found[:40]) <= 4
    hits = [m.interactions[0] for m in found[40:] if m.interactions]
    assert sum(hit.parameters == ("finest", "norm") for hit in hits) >= 36
    assert (hits[0].choices, hits[0].against) == ((3, "batch"), (2, "none"))
    inside = [hit.low <= 4.0 <= hit.high for hit in hits if hit.parameters == ("finest", "norm")]
    assert np.mean(inside) > 0.85  # those that were found are a selection, a little too strong


def test_costs_are_factors_and_a_doubling_has_a_rate() -> None:
    rng = np.random.default_rng(1)
    rows = [drawn(rng) for _ in range(30)]
    values = [
        {
            "ap": 0.02 * np.log2(int(row["width"])) + 0.002 * rng.normal(),
            "latency_ms": 2.0 * int(row["width"]) ** 0.5 * (1.1 if row["norm"] == "batch" else 1.0),
        }
        for row in rows
    ]
    found = effects(necks(rows, values), ["ap", "latency_ms"])
    latency = found.metrics[1]
    doubling, batch = latency.effect("width", None), latency.effect("norm", "batch")
    assert latency.scale == "ratio"
    assert doubling is not None
    assert doubling.value == pytest.approx(2**0.5, abs=1e-3)
    assert batch is not None
    assert (batch.against, batch.value) == ("none", pytest.approx(1.1, abs=5e-3))
    (rate,) = found.rates
    typical = np.median([v["latency_ms"] for v in values])
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 0.02 / (typical * (2**0.5 - 1)) < rate.high
    assert rate.clear


def test_what_varies_only_together_is_not_estimated() -> None:
    rng = np.random.default_rng(2)
    rows = [drawn(rng) for _ in range(30)]
    rows = [row | {"act": "silu" if row["norm"] == "batch" else "none", "finest": 2} for row in rows]
    rows = [row | {"width": 16 if row["width"] == 128 else row["width"]} for row in rows]
    (found,) = effects(necks(rows, [{"m": rng.normal()} for _ in rows]), ["m"]).metrics
    reasons = {(e.parameter, e.choice): e.reason for e in found.effects if e.value is None}
    assert reasons == {
        ("norm", "batch"): "it varies only together with act",
        ("act", "silu"): "it varies only together with norm",
        ("finest", 2): "all trained necks have it",
        ("finest", 3): "no trained neck has it",
        ("width", 128): "no trained neck has it",
    }


def test_three_parameters_that_vary_together() -> None:
    """None is confounded with one other alone: a choice of the third is one or the other of two."""
    rng = np.random.default_rng(4)
    rows = [drawn(rng) for _ in range(60)]
    bits = [(i % 2, i // 2 % 2) for i in range(60)]
    rows = [
        row | {"norm": SPACE["norm"][a], "act": SPACE["act"][b], "topology": SPACE["topology"][a + b]}
        for row, (a, b) in zip(rows, bits, strict=True)
    ]
    (found,) = effects(necks(rows, [{"m": rng.normal()} for _ in rows]), ["m"]).metrics
    assert {e.reason for e in found.effects if e.parameter in ("norm", "act")} == {
        "it varies only together with several other parameters"
    }


def test_choices_that_did_not_matter_to_a_neck_are_left_out_of_it() -> None:
    rng = np.random.default_rng(5)
    rows = [drawn(rng) for _ in range(40)]
    rows = [{k: v for k, v in row.items() if k != "fusion" or row["topology"] != "none"} for row in rows]
    values = [{"m": (row.get("fusion") == "concat") + 0.01 * rng.normal()} for row in rows]
    (found,) = effects(necks(rows, values), ["m"]).metrics
    concat = found.effect("fusion", "concat")
    assert concat is not None
    assert concat.value == pytest.approx(1.0, abs=0.05)
    assert concat.necks == sum(row.get("fusion") == "concat" for row in rows)


def test_metrics_that_say_nothing_have_a_reason() -> None:
    rng = np.random.default_rng(6)
    rows = [drawn(rng) for _ in range(20)]
    values = [{"m": rng.normal(), "same": 0.5, "rare": 1.0 if k < 5 else None} for k in range(20)]
    found = effects(necks(rows, values), ["m", "same", "rare"])
    assert [m.reason for m in found.metrics] == [
        "",
        "it is the same for all necks",
        "5 necks have it, and effects need 12",
    ]
    assert found.metrics[1].effects == ()


def test_few_necks_are_refused() -> None:
    rows = [drawn(np.random.default_rng(0))] * 11
    with pytest.raises(UserError, match="11 necks of its search space are trained, and effects need 12"):
        effects(necks(rows, [{"m": 1.0}] * 11), ["m"])


def test_many_choices_for_few_necks() -> None:
    """A score that follows from the width alone, and as many widths as necks: the doubling can be estimated."""
    rows = [{"width": w} for w in range(8, 104, 8)]
    space = {"width": tuple(range(8, 104, 8))}
    few = necks(rows, [{"m": 0.1 * np.log2(w["width"])} for w in rows])
    (found,) = effects(type(few)("few", space, few.rows, few.values, 12), ["m"]).metrics
    doubling, choice = found.effect("width", None), found.effect("width", 8)
    assert doubling is not None
    assert doubling.value == pytest.approx(0.1, abs=1e-6)
    assert choice is not None
    assert choice.reason == "12 necks are too few for 12 choices"
