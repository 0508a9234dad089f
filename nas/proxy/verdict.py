"""The verdict of a certificate: what the figures mean for whoever decides."""

from __future__ import annotations

from nas.certificate import Certificate
from nas.forecast import NAMES


def verdict(c: Certificate) -> str:
    """Whether to trust the proxy and why, in a few sentences for people who do not know Kendall's tau."""
    figures = f"tau {c.tau:.2f}, 95 % interval {c.low:.2f} to {c.high:.2f}, asked {c.threshold:.2f}"
    lost = f"its pick loses {c.regret:.3f} {c.metric} of the best, where necks differ by {c.spread:.3f}"
    cost = f"at {_ratio(c.cost_ratio)} of the cost"
    if c.certified:
        sentences = [f"Trust this proxy: it orders necks much as the full training does ({figures}); {lost}, {cost}."]
    elif c.noise is not None and c.spread <= c.noise:
        sentences = [
            f"The necks hardly differ here: by {c.spread:.3f} {c.metric}, where one neck differs from seed to seed by "
            f"{c.noise:.3f}. Take the cheapest; no proxy can rank them ({figures})."
        ]
    elif c.tau >= c.threshold:
        sentences = [f"This proxy looks good but is not proven: {figures}; {lost}, {cost}. More necks would tell."]
    elif c.high < c.threshold:
        sentences = [f"Do not trust this proxy: it does not order necks as the full training does ({figures}); {lost}."]
    else:
        sentences = [f"This proxy is not good enough as far as can be seen ({figures}); {lost}, {cost}."]
    if c.better_forecast is not None:
        f = c.better_forecast
        sentences.append(
            f"What its curves forecast of the full score ranks better (tau {f.tau:.2f}, {f.low:.2f} to {f.high:.2f}): "
            f"take {NAMES[f.metric]} for the objective."
        )
    if c.converged is False:
        sentences.append(
            f"The full training is not at its end: it still gained {c.gain:.3f} over its last third; raise full.epochs."
        )
    return " ".join(sentences)


def _ratio(part: float) -> str:
    return f"1/{1 / part:.0f}" if 0 < part < 0.67 else f"{part:.2f}"
