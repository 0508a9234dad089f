from __future__ import annotations

import pytest

from nas.studies.certificate import FingerprintedTask, Proxy
from nas.studies.forecast import Forecast
from nas.studies.spec import StudySpec
from nas.studies.verdict import proxy_line, verdict
from tests.proxy.samples import certificate, forecast, trained


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, "Trust this proxy: it ranks necks much as the full training does (tau 0.80, 95 % interval 0.60 to 0.90"),
        ({"low": 0.2}, "This proxy looks good, but the evidence is weak: tau 0.80"),
        ({"tau": 0.3, "low": 0.1, "high": 0.5}, "Do not trust this proxy"),
        ({"tau": 0.6, "low": 0.4, "high": 0.8}, "This proxy is probably not good enough"),
        (
            {"spread": 0.004, "tau": 0.2, "low": 0.0},
            "The necks hardly differ: by 0.004 ap, where seeds of one neck differ by 0.005. Take the cheapest",
        ),
    ],
)
def test_the_first_words_say_what_to_do(changes: dict[str, float], start: str) -> None:
    assert verdict(certificate(**changes), "ap").startswith(start)


def test_it_tells_the_loss_and_the_cost() -> None:
    assert verdict(certificate(), "ap").endswith(
        "its pick loses 0.002 ap of the best, where necks differ by 0.040, at 1/10 of the cost."
    )
    assert verdict(certificate(cost_ratio=0.8), "ap").endswith("at 0.80 of the cost.")


def test_a_full_training_that_still_gains_is_said() -> None:
    assert "raise full.epochs" in verdict(certificate(converged=False, gain=0.02), "ap")
    assert "raise full.epochs" not in verdict(certificate(converged=None, noise=None), "ap")


def test_a_gain_that_changes_no_order_calls_for_no_longer_training() -> None:
    rising = certificate(converged=False, gain=0.003, tau_full=0.9, tau_late=0.94, reordered=False)
    assert verdict(rising, "ap").endswith(
        "The full training is not at its end: it still gained 0.003 over its last third, but the order no longer "
        "changes visibly: two thirds of it have tau 0.94 with the end of another seed, all of it 0.90."
    )
    changing = rising.model_copy(update={"tau_late": 0.7, "reordered": True})
    assert "gained 0.003 over its last third and changed the order" in verdict(changing, "ap")
    assert "changed the order" in verdict(changing.model_copy(update={"converged": True}), "ap")
    assert "no longer changes" not in verdict(rising.model_copy(update={"converged": True}), "ap")


def test_of_a_falling_rate_no_end_is_asked_for() -> None:
    falling = trained(20).task.model_copy(update={"schedule": "one_cycle"})
    old = certificate(converged=False, gain=0.02, full=FingerprintedTask(task=falling, fingerprint="t1-abc"))
    assert "raise full.epochs" not in verdict(old, "ap")


def test_what_the_finest_level_alone_would_say_is_said_where_it_is_no_less() -> None:
    alone = "The finest level alone, with no training, ranks them no worse (tau 0.82)"
    assert verdict(certificate(tau_finest=0.82), "ap").endswith(f"{alone}.")
    inside = certificate(tau_finest=0.82, tau_within=0.36, forecast=forecast(tau=0.85, tau_within=0.5))
    assert verdict(inside, "ap").endswith(f"{alone}; among necks that share one the tau is 0.36.")
    assert alone not in verdict(inside, "ap_full")
    assert alone not in verdict(certificate(tau_finest=0.7), "ap")
    level = "The finest level alone, with no training, ranks them not clearly worse (tau 0.70)"
    assert level in verdict(certificate(tau_finest=0.7, over_finest=-0.05), "ap")
    assert level not in verdict(certificate(tau_finest=0.7, over_finest=0.02), "ap")


def asked(space: str = "pyramid", objective: str = "ap") -> Proxy:
    spec = StudySpec.parse({"task": {"kind": "detection", "data": {"kind": "digits"}}, "objectives": [objective]})
    return Proxy(spec=spec, space={"name": space}, task=certificate().proxy.fingerprint)


def test_the_line_at_a_launch() -> None:
    assert proxy_line(None, asked()).startswith("proxy: not certified; `nas proxy STUDY` measures")
    assert proxy_line(certificate(), asked()) == (
        "proxy: certified by ap (tau 0.80, 0.60 to 0.90; 24 necks and a full training of 20 epochs)"
    )
    assert proxy_line(certificate(), asked(space="mine")).endswith("20 epochs, on another search space)")
    elsewhere = asked().model_copy(update={"task": "fedcba9876543210"})
    assert proxy_line(certificate(), elsewhere).endswith("20 epochs, with another device, precision or cache)")
    figures = "proxy: certified by ap (tau 0.80, 0.60 to 0.90, asked 0.10, the finest level alone 0.82; 24 necks and a"
    assert proxy_line(certificate(threshold=0.1, tau_finest=0.82), asked()).startswith(figures)
    assert proxy_line(certificate(tau=0.2), asked()).startswith("proxy: NOT to be trusted by ap (tau 0.20")


def test_a_forecast_that_ranks_better_is_recommended() -> None:
    assert "take ap_full for the objective" in verdict(certificate(forecast=forecast(tau=0.9, ahead=0.02)), "ap")
    for near in (forecast(tau=0.81, ahead=-0.03), forecast(tau=0.9)):  # no telling
        assert "ap_full" not in verdict(certificate(forecast=near), "ap")
    hardly = certificate(spread=0.004, tau=0.2, low=0.0, forecast=forecast(tau=0.3, ahead=0.02))
    assert "ap_full" not in verdict(hardly, "ap")


@pytest.mark.parametrize(
    ("law", "start"),
    [
        (
            forecast(tau=0.7, low=0.4),
            "Trust ap_full of this proxy: it ranks necks much as the full training does (tau 0.70",
        ),
        (forecast(tau=0.7, low=0.1), "ap_full of this proxy looks good, but the evidence is weak: tau 0.70"),
        (forecast(tau=0.1, low=-0.2, high=0.4), "Do not trust ap_full of this proxy"),
        (None, "There is no ap_full of this proxy: its curve has a single point."),
    ],
)
def test_a_study_that_asks_for_the_forecast_is_told_of_the_forecast(law: Forecast | None, start: str) -> None:
    found = verdict(certificate(tau=0.2, low=0.0, high=0.4, forecast=law), "ap_full")
    assert found.startswith(start)
    assert "take ap_full" not in found


def test_a_study_that_optimises_a_forecast_is_judged_by_it() -> None:
    found = certificate(tau=0.2, forecast=forecast(tau=0.7, low=0.4, high=0.9))
    assert proxy_line(found, asked(objective="ap_full")).startswith(
        "proxy: certified by ap_full (tau 0.70, 0.40 to 0.90"
    )
    assert proxy_line(certificate(), asked(objective="ap_full")).startswith("proxy: NOT to be trusted by ap_full")
