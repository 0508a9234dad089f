from __future__ import annotations

from nas.studies.metrics import format_metric


def test_metrics_are_shown_with_the_digits_that_mean_something() -> None:
    given = {"ap": 0.41234, "ap_small": None, "params": 5.1234e6, "macs": 2.5e9, "neck_params": 999, "neck_macs": 1000}
    assert [format_metric(name, value) for name, value in given.items()] == [
        "0.412",
        "-",
        "5.12 M",
        "2.50 G",
        "999",
        "1.00 k",
    ]
    assert (format_metric("latency_ms", 12.345), format_metric("seconds", 61.25)) == ("12.35", "61.2")
