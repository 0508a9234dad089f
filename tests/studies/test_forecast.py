from __future__ import annotations

import pytest

from nas.studies.metrics import FORECASTS, METRICS
from nas.studies.records import Progress
from tests.proxy.samples import forecast


def curve(*scores: float | None) -> list[Progress]:
    rows = enumerate(scores, 1)
    return [Progress(epoch=e, epochs=9, seconds=e, metrics={} if s is None else {"ap": s}) for e, s in rows]


def test_it_adds_what_is_still_to_come_of_the_last_step() -> None:
    told = forecast(gain=0.1, steps=2.0, error=0.03).predict(curve(0.2, 0.25))
    assert told == pytest.approx({"ap_full": 0.25 + 0.1 + 2 * 0.05, "ap_full_sd": 0.03})


def test_it_looks_at_its_own_two_points() -> None:
    assert forecast(epochs=(1, 3)).predict(curve(0.2, 0.9, 0.3, 0.8))["ap_full"] == pytest.approx(0.3 + 0.1 + 0.2)


@pytest.mark.parametrize("scores", [(), (0.2,), (None, 0.2), (0.2, None)])
def test_a_curve_without_them_tells_nothing(scores: tuple[float | None, ...]) -> None:
    assert forecast().predict(curve(*scores)) == {}


def test_every_forecast_is_of_a_metric_and_has_its_error() -> None:
    for name, metric in FORECASTS.items():
        assert METRICS[metric].from_training
        assert METRICS[name].direction == METRICS[metric].direction
        assert f"{name}_sd" in METRICS
