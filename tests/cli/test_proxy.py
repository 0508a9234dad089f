"""The arguments and output of nas proxy. The certificate itself is tested with `nas.proxy`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.proxy.outlook import Outlook, Workload
from nas.storage import open_store
from nas.studies.certificate import FingerprintedTask
from tests.cli.conftest import Nas
from tests.fabricated import TEXT
from tests.proxy.samples import certificate, forecast, trained


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of a proxy evaluation that reports a line and returns a certificate."""
    given: dict[str, Any] = {}

    def certify(spec: Any, *, say: Callable[[str], None], **rest: Any) -> Any:
        given.update(rest, spec=spec)
        say("proxy: 2 of 28 runs")
        return certificate()

    monkeypatch.setattr("nas.proxy.certify", certify)
    return given


def test_a_file_with_every_option(nas: Nas, asked: dict[str, Any]) -> None:
    Path("mine.yaml").write_text(TEXT)
    done = nas(
        *("proxy", "mine.yaml", "--storage", "sqlite:///x.db", "--artifacts", "kept", "--necks", "30", "--seeds", "3"),
        *("--workers", "2", "--executor", "local", "--set", "task.epochs=3"),
    )
    assert done.status == 0, done.err
    assert (asked["storage"], asked["artifacts"]) == ("sqlite:///x.db", "kept")
    assert (asked["necks"], asked["seeds"]) == (30, 3)
    assert (asked["spec"].executor, asked["spec"].task.epochs, asked["spec"].full_task.epochs) == ("local", 3, 30)


def test_the_runs_the_figures_and_the_verdict(nas: Nas, asked: dict[str, Any]) -> None:
    done = nas("proxy", "quickstart")
    assert done.err == "proxy: 2 of 28 runs\n"
    lines = done.out.splitlines()
    assert lines[1].split() == ["fpn", "0.305", "0.405"]
    assert any(line.split() == ["tau", "0.80", "(0.60", "to", "0.90)"] for line in lines)
    assert lines[-1] == "Trust this proxy."


def test_json_has_the_figures_and_the_runs(nas: Nas, asked: dict[str, Any]) -> None:
    shown = nas("proxy", "quickstart", "--json").json
    figures = ("tau", "low", "high", "tau_top", "regret", "noise", "spread", "cost_ratio", "necks", "seeds", "verdict")
    assert set(figures) <= set(shown)
    assert shown["certified"] is True
    assert shown["compared"][0]["full"] == [0.4, 0.41]


OUTLOOK = Outlook(
    necks={"fpn": 3_114_239, "P2 to P3 (0)": 250_000},
    seeds=2,
    proxy=Workload(epochs=8, runs=4, recorded=4, left=0.0),
    full=Workload(epochs=80, runs=4, recorded=1, left=6_000.0),
)


def test_a_dry_run_reports_what_is_to_be_trained(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.proxy.outlook", lambda spec, **rest: OUTLOOK)
    lines = nas("proxy", "quickstart", "--dry-run").out.splitlines()
    assert lines[1].split() == ["fpn", "3.11", "M"]
    assert lines[-2:] == [
        "4 runs of 8 epochs under the proxy: 4 are in the database",
        "4 runs of 80 epochs in full: 1 are in the database; the others take about 1 h 40 min of one worker",
    ]
    assert nas("proxy", "quickstart", "--dry-run", "--json").json == OUTLOOK.to_dict()
    assert nas("proxy", "quickstart", "--dry-run", "--search").out.splitlines()[-2].startswith("4 runs of 80 epochs")
    refused = nas("proxy", "quickstart", "--dry-run", "--search", "--seeds", "1")
    assert (refused.status, refused.out) == (2, "")
    Path("quickstart.yaml").touch()
    assert nas("proxy", "quickstart", "--dry-run", "--search").err.startswith("nas: quickstart.yaml exists already")


def test_a_study_in_the_database(nas: Nas, asked: dict[str, Any], storage: str) -> None:
    assert nas("proxy", "cells", "--storage", storage).status == 0
    assert asked["spec"].name == "cells"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--necks", "3"], "--necks 3: it must be at least 8"),
        (["--seeds", "0"], "--seeds 0: it must be at least 1"),
        (["--threshold", "2"], "--threshold 2.0: tau is at most 1"),
        (["--threshold", "nan"], "--threshold nan: tau is at most 1"),
        (["-o", "mine.yaml"], "-o names the study file that --search writes: add --search, or leave it out"),
        (["--necks", "many"], "invalid int value: 'many'"),
        (["--set", "full.epoch=3"], "full.epoch: unknown key; did you mean epochs?"),
        (["--set", "full.data.kind=voc"], "full.data: is the same in both trainings: set it in task"),
    ],
)
def test_wrong_arguments_end_with_a_sentence(nas: Nas, asked: dict[str, Any], words: list[str], sentence: str) -> None:
    done = nas("proxy", "quickstart", *words)
    assert done.status == 2
    assert sentence in done.err
    assert not asked


def test_show_reports_how_reliable_the_proxy_is(nas: Nas, storage: str) -> None:
    assert nas("show", "cells", "--storage", storage).out.splitlines()[-1].startswith("proxy: not certified")
    with open_store(storage, create=False) as store:
        study = store.study("cells")
        assert study is not None
        proxy = FingerprintedTask(task=study.spec.task, fingerprint=study.task)
        full = FingerprintedTask(task=study.spec.full_task, fingerprint=study.task)
        store.keep_certificate(certificate(proxy=proxy, full=full))
    lines = nas("show", "cells", "--storage", storage).out.splitlines()
    assert lines[-2].startswith("proxy: certified by ap (tau 0.80")
    assert lines[-1].startswith("Trust this proxy: it ranks necks much as the full training does")
    shown = nas("show", "cells", "--storage", storage, "--json").json
    assert (shown["proxy"]["tau"], shown["proxy"]["certified"]) == (0.8, True)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Certificates that a search returns: of 4 epochs, which is not enough, and of 8."""
    given = [
        certificate(tau=0.3, proxy=trained(4)),
        certificate(proxy=trained(8)),
    ]
    monkeypatch.setattr("nas.proxy.cheapest", lambda spec, **rest: given)
    return given


def test_a_search_writes_a_shipped_study_to_the_working_folder(nas: Nas, searched: list[Any]) -> None:
    done = nas("proxy", "quickstart", "--search")
    assert done.status == 0, done.err
    assert done.out.splitlines()[-2].startswith("quickstart.yaml: task.epochs is 8 now")
    assert "`nas proxy quickstart.yaml` judges the proxy with fresh seeds" in done.out.splitlines()[-1]
    assert nas("validate", "./quickstart.yaml").status == 0
    assert "  epochs: 8\n" in Path("quickstart.yaml").read_text()
    again = nas("proxy", "quickstart", "--search")
    assert (again.status, again.err) == (2, "nas: quickstart.yaml exists already: name another file with -o\n")


def test_a_search_changes_a_file_of_ones_own(nas: Nas, searched: list[Any]) -> None:
    Path("mine.yaml").write_text(TEXT)
    shown = nas("proxy", "mine.yaml", "--search", "--json").json
    assert (shown["chosen"]["tau"], shown["chosen"]["certified"]) == (0.8, True)
    assert [(c["epochs"], c["setting"], c["certified"]) for c in shown["proxies"]] == [(4, "", False), (8, "", True)]
    assert "epochs: 8" in Path("mine.yaml").read_text()


def test_a_search_that_finds_another_setting_says_so(nas: Nas, searched: list[Any]) -> None:
    Path("mine.yaml").write_text(TEXT)
    task = trained(6).task.model_copy(update={"batch_size": 4})
    searched[1] = certificate(proxy=FingerprintedTask(task=task, fingerprint="t1-b"))
    lines = nas("proxy", "mine.yaml", "--search").out.splitlines()
    assert lines[-2] == "mine.yaml: task.epochs is 6 now, batch_size 4"
    assert lines[2].split()[-4:] == ["certified", "-", "batch_size", "4"]
    assert "batch_size: 4" in Path("mine.yaml").read_text()


def test_a_cheaper_forecast_is_reported(nas: Nas, searched: list[Any]) -> None:
    Path("mine.yaml").write_text(TEXT)
    searched[0] = certificate(tau=0.3, proxy=trained(4), forecast=forecast(tau=0.7, low=0.4, high=0.9))
    sentence = (
        "ap_full is certified at a lower cost, with 4 epochs (tau 0.70, 0.40 to 0.90, 0.100 of the full cost): replace "
        "ap by it in objectives and run this again. All runs are in the database."
    )
    assert nas("proxy", "mine.yaml", "--search").out.splitlines()[-1] == sentence
    searched.pop()
    assert nas("proxy", "mine.yaml", "--search").out.splitlines()[-1] == sentence


def test_a_metric_without_a_forecast(nas: Nas, searched: list[Any]) -> None:
    Path("mine.yaml").write_text(TEXT)
    searched[:] = [c.model_copy(update={"metric": "ap50"}) for c in searched]
    done = nas("proxy", "mine.yaml", "--search", "--set", "objectives=[ap50]")
    assert (done.status, done.err) == (0, "")
    assert "objectives:\n  - ap50\n" in Path("mine.yaml").read_text()


def test_a_search_that_finds_nothing_writes_nothing(nas: Nas, searched: list[Any]) -> None:
    searched.pop()
    Path("mine.yaml").write_text(TEXT)
    done = nas("proxy", "mine.yaml", "--search")
    assert done.status == 1
    assert "No cheaper training reaches tau 0.65" in done.out
    assert Path("mine.yaml").read_text() == TEXT
