"""Which finalists cost no more than the best baseline."""

from __future__ import annotations

import pytest

from nas.necks.topologies import fpn
from nas.search.finalists import Candidate, _no_dearer
from tests.exports.studies import around


def candidate(latency: float, params: float) -> Candidate:
    return Candidate(0, None, around(fpn((3, 4), 8)), {"latency_ms": latency, "params": params})


@pytest.mark.parametrize(
    ("latency", "params", "affordable"),
    [(9.0, 100, True), (10.2, 100, True), (10.4, 100, False), (9.0, 101, False), (10.0, 100, True)],
)
def test_a_latency_within_the_noise_is_no_higher(latency: float, params: float, affordable: bool) -> None:
    assert _no_dearer(candidate(latency, params), candidate(10.0, 100), ["latency_ms", "params"]) is affordable
