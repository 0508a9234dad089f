"""compare: the figures of a certificate, from scores alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.proxy import ranking

Floats = NDArray[np.float64]


class Comparison(NamedTuple):
    """See `nas.studies.certificate.Certificate`."""

    tau: float
    low: float
    high: float
    tau_top: float | None
    tau_within: float | None
    tau_finest: float | None
    over_finest: float | None
    regret: float
    noise: float | None
    spread: float


def compare(proxy: Floats, full: Floats, *, paired: bool, finest: Sequence[int] | None = None) -> Comparison:
    """How well `proxy` scores [necks, seeds] rank what `full` scores [necks, seeds] rank; more is better in both.

    `finest` are the necks' finest levels, for `tau_within`, `tau_finest` and `over_finest`.

    `paired`: column k of the proxy is judged by the full scores of the other columns. So it must be where column k of
    both is of one run, at an early point and at its end, for a run knows its own luck.

    Raises:
        ValueError: paired scores of a single seed.
    """
    pairs = repeats(proxy, full, paired=paired)
    tops = [top for top in (ranking.top(score, truth) for score, truth in pairs) if top is not None]
    groups = np.arange(len(full)) if finest is None else np.asarray(finest)
    leads = ranking.lead([(score, -groups, truth) for score, truth in pairs]) if finest is not None else None
    inside = [tau for tau in (ranking.within(score, truth, groups) for score, truth in pairs) if tau is not None]
    low, high = ranking.interval(pairs)
    return Comparison(
        tau=float(np.mean([ranking.tau(score, truth) for score, truth in pairs])),
        low=low,
        high=high,
        tau_top=float(np.mean(tops)) if tops else None,
        tau_within=float(np.mean(inside)) if inside else None,
        tau_finest=None if finest is None else float(np.mean([ranking.tau(-groups, truth) for _, truth in pairs])),
        over_finest=None if leads is None else leads.low,
        regret=float(np.mean([ranking.regret(score, truth) for score, truth in pairs])),
        noise=ranking.noise(full),
        spread=float(full.mean(1).std(ddof=1)),
    )


class Ending(NamedTuple):
    """See `nas.studies.certificate.Certificate`."""

    gain: float | None = None
    converged: bool | None = None
    tau_full: float | None = None
    tau_late: float | None = None
    reordered: bool | None = None


def ending(late: Floats | None, full: Floats) -> Ending:
    """Whether the full training is at its end, from `full` scores [necks, seeds] and those of the same runs where their
    last part began, None where that is not known; more is better in both.
    """
    noise = ranking.noise(full)
    whole = repeats(full, full, paired=True) if noise is not None else []
    tau_full = float(np.mean([ranking.tau(score, truth) for score, truth in whole])) if whole else None
    if late is None:
        return Ending(tau_full=tau_full)
    gain = float(np.mean(full - late))
    if noise is None:
        return Ending(gain)
    early = repeats(late, full, paired=True)
    ahead = ranking.lead([(end, begun, truth) for (end, truth), (begun, _) in zip(whole, early, strict=True)])
    return Ending(
        gain=gain,
        converged=gain <= noise,
        tau_full=tau_full,
        tau_late=float(np.mean([ranking.tau(score, truth) for score, truth in early])),
        reordered=ahead.low > 0,
    )


def repeats(proxy: Floats, full: Floats, *, paired: bool) -> list[tuple[Floats, Floats]]:
    """Each repeat of the proxy's scores with the truth that it is judged by; see `compare`.

    Raises:
        ValueError: paired scores of a single seed.
    """
    seeds = proxy.shape[1]
    if paired and seeds < 2:
        raise ValueError("paired scores need a second seed")
    return [(proxy[:, k], np.delete(full, k, 1).mean(1) if paired else full.mean(1)) for k in range(seeds)]
