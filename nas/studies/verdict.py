"""The verdict of a certificate: what its figures mean for whoever decides, in sentences, in a line, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas.studies.certificate import THRESHOLD, Certificate, Proxy, goes_by, trained_objective
from nas.studies.forecast import NAMES, Forecast
from nas.studies.metrics import FORECASTS
from nas.studies.spec import StudySpec


def verdict(c: Certificate, objective: str) -> str:
    """Whether to trust the proxy by what a study asks of it, the score or its forecast, and why, in a few sentences for
    people who do not know Kendall's tau.
    """
    forecast = c.forecast if objective in FORECASTS else None
    if objective in FORECASTS and forecast is None:
        return f"There is no {objective} of this proxy: its curve has a single point."
    told = c if forecast is None else forecast
    what = "this proxy" if forecast is None else f"{objective} of this proxy"
    figures = f"tau {told.tau:.2f}, 95 % interval {told.low:.2f} to {told.high:.2f}, asked {c.threshold:.2f}"
    lost = f"its pick loses {told.regret:.3f} {c.metric} of the best, where necks differ by {c.spread:.3f}"
    cost = f"at {_ratio(c.cost_ratio)} of the cost"
    if c.certifies(objective):
        sentences = [f"Trust {what}: it orders necks much as the full training does ({figures}); {lost}, {cost}."]
    elif c.noise is not None and c.spread <= c.noise:
        sentences = [
            f"The necks hardly differ here: by {c.spread:.3f} {c.metric}, where one neck differs from seed to seed by "
            f"{c.noise:.3f}. Take the cheapest; no proxy can rank them ({figures})."
        ]
    elif told.tau >= c.threshold:
        sentences = [f"{_start(what)} looks good but is not proven: {figures}; {lost}, {cost}. More necks would tell."]
    elif told.high < c.threshold:
        sentences = [f"Do not trust {what}: it does not order necks as the full training does ({figures}); {lost}."]
    else:
        sentences = [f"{_start(what)} is not good enough as far as can be seen ({figures}); {lost}, {cost}."]
    level = _no_worse(c, told)
    if level is not None:
        how = "no worse" if told.tau <= level else "not clearly worse"
        inside = "" if told.tau_within is None else f"; among necks that share one the tau is {told.tau_within:.2f}"
        sentences.append(f"The finest level alone, with no training, orders them {how} (tau {level:.2f}){inside}.")
    if forecast is None and c.better_forecast is not None and c.spread > (c.noise or 0):
        f = c.better_forecast
        sentences.append(
            f"What its curves forecast of the full score ranks better (tau {f.tau:.2f}, {f.low:.2f} to {f.high:.2f}): "
            f"take {NAMES[f.metric]} for the objective."
        )
    sentences += _unfinished(c)
    return " ".join(sentences)


def _no_worse(c: Certificate, told: Certificate | Forecast) -> float | None:
    """tau of the finest level alone, where the score, or its forecast, is not clearly above it."""
    level = c.tau_finest
    above = told.over_finest > 0 if told.over_finest is not None else level is not None and told.tau > level
    return None if above else level


def _unfinished(c: Certificate) -> Iterator[str]:
    """What it means that the full scores were still rising, or changing places."""
    if c.full.task.schedule != "constant" or not (c.converged is False or c.reordered):
        return
    end = "The full training is not at its end"
    rising = f"it still gained {c.gain:.3f} over its last third"
    if c.reordered is None or c.tau_late is None or c.tau_full is None:
        yield f"{end}: {rising}; raise full.epochs."
        return
    order = f"two thirds of it have tau {c.tau_late:.2f} with the end of another seed, all of it {c.tau_full:.2f}"
    if c.reordered:
        yield f"{end}: {rising} and changed the order ({order}); raise full.epochs."
    else:
        yield f"{end}, {rising}, but no change of its order can be seen: {order}."


def standing(certificate: Certificate | None, proxy: Proxy) -> str:
    """In one line, whether a study may trust its proxy."""
    if certificate is None:
        return "proxy: not certified; `nas proxy STUDY` tells whether it ranks necks as the full training does"
    objective = trained_objective(proxy.spec)
    metric = objective.metric if objective is not None else certificate.metric
    found = certificate.forecast if metric in FORECASTS and certificate.forecast is not None else certificate
    word = "certified" if certificate.certifies(metric) else "NOT to be trusted"
    level = _no_worse(certificate, found)
    beside = "" if certificate.threshold == THRESHOLD else f", asked {certificate.threshold:.2f}"
    beside += "" if level is None else f", the finest level alone {level:.2f}"
    where = "" if certificate.space == proxy.space else ", on another search space"
    where += "" if certificate.proxy.fingerprint == proxy.task else ", with another device, precision or cache"
    figures = f"tau {found.tau:.2f}, {found.low:.2f} to {found.high:.2f}{beside}"
    full = f"{certificate.necks} necks and a full training of {certificate.full.task.epochs} epochs"
    return f"proxy: {word} by {metric} ({figures}; {full}{where})"


def facts(certificate: Certificate | None, spec: StudySpec) -> dict[str, Any] | None:
    """A study's certificate in figures, without the runs behind them; `objective` is what the study goes by,
    `certified` and `verdict` tell whether that may be trusted.
    """
    objective = trained_objective(spec)
    if certificate is None or objective is None:
        return None
    metric = goes_by(objective, certificate).metric
    figures = certificate.model_dump(mode="json", exclude={"compared", "proxy", "full", "space"})
    told = {"objective": metric, "certified": certificate.certifies(metric), "verdict": verdict(certificate, metric)}
    return figures | told


def _start(what: str) -> str:
    """The words at the start of a sentence; a metric's name stays as it is."""
    return f"This{what.removeprefix('this')}" if what.startswith("this") else what


def _ratio(part: float) -> str:
    return f"1/{1 / part:.0f}" if 0 < part < 0.67 else f"{part:.2f}"
