"""Effects as text and as a figure."""

from __future__ import annotations

from typing import Any

from nas.search.effects import Effect, Effects, Interaction, MetricEffects, Rate
from nas.search.effects.figure import effects_figure
from nas.search.effects.sentences import clear_lines, effect_lines


def effect(parameter: str, choice: str | int | None, *bounds: float, clear: bool = True, **more: Any) -> Effect:
    value, low, high = bounds or (None, None, None)
    facts = {"value": value, "low": low, "high": high, "clear": clear and bool(bounds)}
    return Effect(parameter=parameter, choice=choice, necks=9, **facts, **more)


def metric(name: str, *effects: Effect, **more: Any) -> MetricEffects:
    scale = "ratio" if name == "latency_ms" else "difference"
    return MetricEffects(metric=name, scale=scale, necks=20, effects=effects, **more)


FOUND = Effects(
    study="cells",
    trials=14,
    certificate=6,
    left_out=("panet",),
    fixed=("conv",),
    metrics=(
        metric(
            "ap",
            effect("finest", 2, 0.05, 0.03, 0.07),
            effect("finest", 3, -0.01, -0.03, 0.01, clear=False),
            effect("norm", "batch", -0.2, -0.3, -0.1, against="none"),
            effect("width", None, 0.02, 0.01, 0.03),
            effect("act", "silu", reason="it varies only together with norm"),
            interactions=(
                Interaction(
                    parameters=("finest", "norm"),
                    choices=(2, "batch"),
                    against=(None, "none"),
                    value=0.1,
                    low=0.05,
                    high=0.15,
                    p=0.001,
                ),
            ),
            explained=(0.5, 0.2),
        ),
        metric("ap_small", effect("finest", 2, 0.1, 0.05, 0.15), effect("finest", 3, 0.0, -0.1, 0.1, clear=False)),
        metric("ap_large", effect("finest", 2, 0.0, -0.1, 0.1, clear=False)),
        metric(
            "latency_ms",
            effect("finest", 2, 1.5, 1.4, 1.6),
            effect("norm", "batch", 1.01, 0.9, 1.1, clear=False, against="none"),
            effect("act", "silu", reason="it varies only together with norm"),
        ),
        metric("miou", reason="2 necks have it, and effects need 12"),
    ),
    rates=(
        Rate(
            parameter="width",
            choice=None,
            against=None,
            metric="ap",
            cost="latency_ms",
            value=0.004,
            low=0.002,
            high=0.006,
            clear=True,
        ),
    ),
)


def test_sentences() -> None:
    lines = effect_lines(FOUND)
    assert "20 trained necks, 14 of them trials and 6 of the certificate." in lines[0]
    assert lines[0].endswith("Left out, because not in the search space: panet.")
    assert lines[2:7] == [
        "finest 2 raises ap by 0.050 (+0.030 to +0.070); by size of objects: small +0.100 (+0.050 to +0.150), large "
        "not told apart from zero.",
        "finest 3 has no effect on ap that can be told apart from zero (-0.030 to +0.010); by size of objects: small "
        "not told apart from zero.",
        "norm batch instead of none lowers ap by 0.200 (-0.300 to -0.100).",
        "each doubling of width raises ap by 0.020 (+0.010 to +0.030).",
        "act silu cannot be estimated: it varies only together with norm.",
    ]
    assert lines[8] == (
        "finest 2 together with norm batch instead of none raises ap by 0.100 (+0.050 to +0.150) beyond what each does "
        "alone."
    )
    assert lines[9] == "each doubling of width buys +0.004 ap per millisecond (+0.002 to +0.006)."
    assert lines[10].startswith("Single choices account for about 50 % of the variance of ap, pairs of them for 20 %.")
    assert lines[-1] == "miou: no effects, because 2 necks have it, and effects need 12."


def test_the_table_has_every_choice_and_says_what_is_unclear() -> None:
    rows = [line.split() for line in "\n".join(effect_lines(FOUND)).splitlines()]
    assert ["ap_small", "ap_large", "latency_ms"] in rows
    assert ["finest", "2", "+0.100", "~", "x1.50"] in rows
    assert ["norm", "batch", "instead", "of", "none", "-", "-", "~"] in rows
    assert ["act", "silu", "-", "-", "-"] in rows


def test_a_note_lists_what_is_clear_the_strongest_first() -> None:
    lines = clear_lines(FOUND)
    assert [line.partition(" ")[0] for line in lines[1:4]] == ["norm", "finest", "each"]
    assert len(lines) == 6
    unclear = FOUND.model_copy(
        update={"metrics": (metric("ap", effect("norm", "batch", 0.1, -0.1, 0.3, clear=False)),), "rates": ()}
    )
    assert clear_lines(unclear)[1:] == ["No choice has an effect on ap that can be told apart from zero."]


def test_a_figure_has_every_effect_that_is_known() -> None:
    figure = effects_figure(FOUND)
    drawn = {label for trace in figure.data for label in trace.y}
    assert drawn == {"finest 2", "finest 3", "norm batch instead of none", "each doubling of width"}
    assert [axis.type for axis in figure.select_xaxes()] == [None, None, None, "log"]
