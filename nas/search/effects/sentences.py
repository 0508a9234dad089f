"""Effects as text: a sentence a choice for the first metric, a table for the others."""

from __future__ import annotations

from collections.abc import Sequence

from nas.search.effects.necks import OBJECTS
from nas.search.effects.values import Effect, Effects, Interaction, MetricEffects, Rate
from nas.search_space import Choice
from nas.studies.metrics import FORECASTS, format_metric
from nas.text import table

_LEVELS = ("finest", "levels")
"""Parameters whose effect is given for every size of objects."""

_MARKS = {False: "~", None: "-"}
_LEGEND = "Factors are marked with x. ~ cannot be told apart from zero (a factor: from 1), - cannot be estimated."

_MOST = 10
"""Most effects that a note lists."""


def effect_lines(found: Effects) -> list[str]:
    """All of it."""
    first, *others = found.metrics
    lines = [_basis(found), "", *_sentences(found)]
    lines += ["", *_remarks(first, found.rates)]
    fitted = [m for m in others if m.effects]
    if fitted:
        heads = [m.metric for m in fitted]
        places = {label(e): (e.parameter, e.choice) for m in (first, *fitted) for e in m.effects}
        rows = [[name, *(_cell(m, m.effect(*place)) for m in fitted)] for name, place in places.items()]
        lines += ["", table([["", *heads], *rows]), "", _LEGEND]
        lines += [_together(m, pair) for m in fitted for pair in m.interactions]
    return lines + [f"{m.metric}: no effects, because {m.reason}." for m in others if m.reason]


def clear_lines(found: Effects) -> list[str]:
    """The clear effects on the first metric, the strongest first, for a note."""
    first = found.metrics[0]
    clear = sorted((e for e in first.effects if e.clear), key=lambda e: -abs(e.value or 0.0))
    lines = [_sentence(e, first, found) for e in clear[:_MOST]]
    lines += [_together(first, pair) for pair in first.interactions] + [
        _rate(rate) for rate in found.rates if rate.clear
    ]
    return [_basis(found), *(lines or [f"No choice has an effect on {first.metric} that can be told apart from zero."])]


def _basis(found: Effects) -> str:
    more = f", {found.trials} of them trials and {found.certificate} of the certificate" if found.certificate else ""
    left = f" Left out, because not in the search space: {', '.join(found.left_out)}." if found.left_out else ""
    return (
        f"Effects in study {found.study}, from {found.necks} trained necks{more}. A choice is compared with the mean "
        f"of the parameter's other choices, all else equal. Brackets hold the interval of 95 %.{left}"
    )


def _sentences(found: Effects) -> list[str]:
    first = found.metrics[0]
    if first.reason:
        return [f"{first.metric}: no effects, because {first.reason}."]
    return [_sentence(effect, first, found) for effect in first.effects]


def _remarks(first: MetricEffects, rates: Sequence[Rate]) -> list[str]:
    if first.reason:
        return []
    lines = [_together(first, pair) for pair in first.interactions]
    lines = lines or [f"No two parameters clearly interact in {first.metric}."]
    alone, pairs = first.explained
    count = sum(e.value is not None for e in first.effects)
    return [
        *lines,
        *(_rate(rate) for rate in rates),
        f"Single choices account for about {100 * alone:.0f} % of the variance of {first.metric}, pairs of them for "
        f"{100 * pairs:.0f} %. An interval misses one effect in twenty, and there are {count} of them.",
    ]


def label(effect: Effect) -> str:
    """The choice, and what it is compared with."""
    return _name(effect.parameter, effect.choice, effect.against)


def _name(parameter: str, choice: Choice | None, against: Choice | None) -> str:
    if choice is None:
        return f"each doubling of {parameter}"
    return f"{parameter} {choice}" + (f" instead of {against}" if against is not None else "")


def _sentence(effect: Effect, metric: MetricEffects, found: Effects) -> str:
    if effect.value is None:
        return f"{label(effect)} cannot be estimated: {effect.reason}."
    return f"{label(effect)} {_statement(effect, metric)}{_by_objects(effect, metric.metric, found)}."


def _statement(effect: Effect | Interaction, metric: MetricEffects) -> str:
    assert effect.value is not None
    assert effect.low is not None
    assert effect.high is not None
    if isinstance(effect, Effect) and not effect.clear:
        apart = "one" if metric.scale == "ratio" else "zero"
        return f"has no effect on {metric.metric} that can be told apart from {apart} ({_range(effect, metric)})"
    if metric.scale == "ratio":
        return f"multiplies {metric.metric} by {effect.value:.2f} ({_range(effect, metric)})"
    verb = "raises" if effect.value > 0 else "lowers"
    return f"{verb} {metric.metric} by {format_metric(metric.metric, abs(effect.value))} ({_range(effect, metric)})"


def _range(effect: Effect | Interaction, metric: MetricEffects) -> str:
    assert effect.low is not None
    assert effect.high is not None
    if metric.scale == "ratio":
        return f"{effect.low:.2f} to {effect.high:.2f}"
    return f"{_signed(effect.low, metric.metric)} to {_signed(effect.high, metric.metric)}"


def _signed(value: float, metric: str) -> str:
    return ("-" if value < 0 else "+") + format_metric(metric, abs(value))


def _by_objects(effect: Effect, metric: str, found: Effects) -> str:
    """For which sizes of objects; those that cannot be told apart from zero are named for parameters of the levels."""
    parts, unclear = [], []
    for objects in OBJECTS:
        name = f"{FORECASTS.get(metric, metric)}_{objects}"
        sized = next((m for m in found.metrics if m.metric == name), None)
        one = sized.effect(effect.parameter, effect.choice) if sized is not None else None
        if sized is None or one is None or one.value is None:
            continue
        if one.clear:
            parts.append(f"{objects} {_signed(one.value, name)} ({_range(one, sized)})")
        elif effect.parameter in _LEVELS:
            unclear.append(objects)
    parts += [f"{' and '.join(unclear)} not told apart from zero"] if unclear else []
    return f"; by size of objects: {', '.join(parts)}" if parts else ""


def _together(metric: MetricEffects, pair: Interaction) -> str:
    (a, b), choices, against = pair.parameters, pair.choices, pair.against
    both = f"{_name(a, choices[0], against[0])} together with {_name(b, choices[1], against[1])}"
    return f"{both} {_statement(pair, metric)} beyond what each does alone."


def _rate(rate: Rate) -> str:
    label = _name(rate.parameter, rate.choice, rate.against)
    if rate.value is None or rate.low is None or rate.high is None:
        return f"What {label} buys per millisecond cannot be estimated: it does not clearly raise {rate.cost}."
    low, high = _signed(rate.low, rate.metric), _signed(rate.high, rate.metric)
    value = _signed(rate.value, rate.metric)
    apart = "" if rate.clear else ", which cannot be told apart from zero"
    return f"{label} buys {value} {rate.metric} per millisecond ({low} to {high}){apart}."


def _cell(metric: MetricEffects, effect: Effect | None) -> str:
    if effect is None or effect.value is None:
        return _MARKS[None]
    if not effect.clear:
        return _MARKS[False]
    return f"x{effect.value:.2f}" if metric.scale == "ratio" else _signed(effect.value, metric.metric)
