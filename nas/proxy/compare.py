"""The figures of a certificate, from scores alone. `nas.studies.certificate.Certificate` explains each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.proxy import ranking
from nas.proxy.ranking import Floats


class Comparison(NamedTuple):
    """How well a proxy ranks."""

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
    """How well the proxy's scores [necks, seeds] rank the full scores [necks, seeds]; higher is better in both.

    Args:
        paired: column k of the proxy is judged by the other columns of `full`. Required where column k of both is
            one run, at an early point and at its end: otherwise the run's luck counts as agreement.
        finest: the necks' finest levels, for `tau_within`, `tau_finest` and `over_finest`.

    Raises:
        ValueError: paired scores of a single seed.
    """
    pairs = repeats(proxy, full, paired=paired)
    tau_within = tau_finest = over_finest = None
    if finest is not None:
        levels = np.asarray(finest)
        tau_within = _mean([ranking.within(score, truth, levels) for score, truth in pairs])
        tau_finest = _mean([ranking.tau(-levels, truth) for _, truth in pairs])
        over_finest = ranking.lead([(score, -levels, truth) for score, truth in pairs]).low
    low, high = ranking.interval(pairs)
    return Comparison(
        tau=_mean_tau(pairs),
        low=low,
        high=high,
        tau_top=_mean([ranking.top(score, truth) for score, truth in pairs]),
        tau_within=tau_within,
        tau_finest=tau_finest,
        over_finest=over_finest,
        regret=float(np.mean([ranking.regret(score, truth) for score, truth in pairs])),
        noise=ranking.noise(full),
        spread=float(full.mean(1).std(ddof=1)),
    )


class Ending(NamedTuple):
    """Whether the full training is at its end."""

    gain: float | None = None
    converged: bool | None = None
    tau_full: float | None = None
    tau_late: float | None = None
    reordered: bool | None = None


def ending(late: Floats | None, full: Floats) -> Ending:
    """Whether the full training is at its end; higher scores are better.

    Args:
        late: scores [necks, seeds] of the full runs where their last part began; None if unknown.
        full: their scores [necks, seeds] at the end.
    """
    gain = None if late is None else float(np.mean(full - late))
    noise = ranking.noise(full)
    if noise is None:
        return Ending(gain)
    whole = repeats(full, full, paired=True)
    if late is None or gain is None:
        return Ending(tau_full=_mean_tau(whole))
    early = repeats(late, full, paired=True)
    ahead = ranking.lead([(end, begun, truth) for (end, truth), (begun, _) in zip(whole, early, strict=True)])
    return Ending(gain, gain <= noise, _mean_tau(whole), _mean_tau(early), ahead.low > 0)


def repeats(proxy: Floats, full: Floats, *, paired: bool) -> list[tuple[Floats, Floats]]:
    """The proxy's scores of each seed, with the truth that judges them; see `compare`.

    Raises:
        ValueError: paired scores of a single seed.
    """
    seeds = proxy.shape[1]
    if paired and seeds < 2:
        raise ValueError("paired scores need a second seed")
    return [(proxy[:, k], np.delete(full, k, 1).mean(1) if paired else full.mean(1)) for k in range(seeds)]


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _mean_tau(pairs: Sequence[tuple[Floats, Floats]]) -> float:
    return float(np.mean([ranking.tau(score, truth) for score, truth in pairs]))
