"""The verdict of a certificate: its figures for people who have to decide, in sentences, in one line, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas.studies.certificate import THRESHOLD, Certificate, Proxy, supported_objective, trained_objective
from nas.studies.forecast import FORECAST_NAMES, Forecast
from nas.studies.metrics import FORECASTS
from nas.studies.spec import StudySpec


def verdict(c: Certificate, objective: str) -> str:
    """Whether to trust an objective under the proxy, and why, for people who do not know Kendall's tau."""
    found = c.figures(objective)
    if objective in FORECASTS and found is c:
        return f"There is no {objective} of this proxy: its curve has a single point."
    what = "this proxy" if found is c else f"{objective} of this proxy"
    start = "This proxy" if found is c else what
    figures = f"tau {found.tau:.2f}, 95 % interval {found.low:.2f} to {found.high:.2f}, asked {c.threshold:.2f}"
    lost = f"its pick loses {found.regret:.3f} {c.metric} of the best, where necks differ by {c.spread:.3f}"
    cost = f"at {f'1/{1 / c.cost_ratio:.0f}' if 0 < c.cost_ratio < 0.67 else f'{c.cost_ratio:.2f}'} of the cost"
    alike = c.noise is not None and c.spread <= c.noise
    if c.certifies(objective):
        sentences = [f"Trust {what}: it ranks necks much as the full training does ({figures}); {lost}, {cost}."]
    elif alike:
        sentences = [
            f"The necks hardly differ: by {c.spread:.3f} {c.metric}, where seeds of one neck differ by {c.noise:.3f}. "
            f"Take the cheapest; no proxy can rank them ({figures})."
        ]
    elif found.tau >= c.threshold:
        sentences = [f"{start} looks good, but the evidence is weak: {figures}; {lost}, {cost}. Train more necks."]
    elif found.high < c.threshold:
        sentences = [f"Do not trust {what}: it does not rank necks as the full training does ({figures}); {lost}."]
    else:
        sentences = [f"{start} is probably not good enough ({figures}); {lost}, {cost}."]
    level = _competing_level(c, found)
    if level is not None:
        how = "no worse" if found.tau <= level else "not clearly worse"
        inside = "" if found.tau_within is None else f"; among necks that share one the tau is {found.tau_within:.2f}"
        sentences.append(f"The finest level alone, with no training, ranks them {how} (tau {level:.2f}){inside}.")
    law = c.forecast
    if found is c and law is not None and law.ahead is not None and law.ahead > 0 and not alike:
        sentences.append(
            f"Forecasts of the full score from its curves rank better (tau {law.tau:.2f}, {law.low:.2f} to "
            f"{law.high:.2f}): take {FORECAST_NAMES[law.metric]} for the objective."
        )
    return " ".join([*sentences, *_ending(c)])


def _competing_level(c: Certificate, found: Certificate | Forecast) -> float | None:
    """tau of the finest level alone, if the score or its forecast is not clearly above it."""
    level = c.tau_finest
    if level is None:
        return None
    return level if (found.over_finest if found.over_finest is not None else found.tau - level) <= 0 else None


def _ending(c: Certificate) -> Iterator[str]:
    """A sentence if the full scores were still rising or changing their order."""
    if c.full.task.schedule != "constant" or not (c.converged is False or c.reordered):
        return
    end, rising = "The full training is not at its end", f"it still gained {c.gain:.3f} over its last third"
    if c.reordered is None or c.tau_late is None or c.tau_full is None:
        yield f"{end}: {rising}; raise full.epochs."
        return
    order = f"two thirds of it have tau {c.tau_late:.2f} with the end of another seed, all of it {c.tau_full:.2f}"
    if c.reordered:
        yield f"{end}: {rising} and changed the order ({order}); raise full.epochs."
    else:
        yield f"{end}: {rising}, but the order no longer changes visibly: {order}."


def proxy_line(certificate: Certificate | None, proxy: Proxy) -> str:
    """Whether a study can trust its proxy, in one line."""
    if certificate is None:
        return "proxy: not certified; `nas proxy STUDY` measures whether it ranks necks as the full training does"
    objective = trained_objective(proxy.spec)
    metric = objective.metric if objective is not None else certificate.metric
    found = certificate.figures(metric)
    trust = "certified" if certificate.certifies(metric) else "NOT to be trusted"
    level = _competing_level(certificate, found)
    asked = "" if certificate.threshold == THRESHOLD else f", asked {certificate.threshold:.2f}"
    asked += "" if level is None else f", the finest level alone {level:.2f}"
    where = "" if certificate.space == proxy.space else ", on another search space"
    where += "" if certificate.proxy.fingerprint == proxy.task else ", with another device, precision or cache"
    figures = f"tau {found.tau:.2f}, {found.low:.2f} to {found.high:.2f}{asked}"
    full = f"{certificate.necks} necks and a full training of {certificate.full.task.epochs} epochs"
    return f"proxy: {trust} by {metric} ({figures}; {full}{where})"


def proxy_facts(certificate: Certificate | None, spec: StudySpec) -> dict[str, Any] | None:
    """The certificate as JSON without its runs, and whether the `objective` that the study optimizes is certified."""
    objective = trained_objective(spec)
    if certificate is None or objective is None:
        return None
    metric = supported_objective(objective, certificate).metric
    figures = certificate.model_dump(mode="json", exclude={"compared", "proxy", "full", "space"})
    judged = {"objective": metric, "certified": certificate.certifies(metric), "verdict": verdict(certificate, metric)}
    return figures | judged
