from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.storage import open_store
from tests.cli.conftest import Nas
from tests.fabricated import Fabric


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a study `few` of one neck, and `cells` of twelve: each doubling of the width gives .02 ap and
    takes half as much time again.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('effects')}/nas.db"
    rng = np.random.default_rng(0)
    with open_store(url, create=True) as store:
        Fabric(store, "few").complete(8, ap=0.1)
        study = Fabric(store)
        for width in range(8, 104, 8):
            ap = 0.3 + 0.02 * np.log2(width) + 0.001 * rng.normal()
            study.complete(width, ap=float(ap), ap_small=0.1, params=1e3 * width, latency_ms=4.0 * width**0.585)
        study.close("done")
    return url


def test_sentences_and_a_table(nas: Nas, url: str) -> None:
    done = nas("effects", "cells", "--storage", url)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("Effects in study cells, from 12 trained necks. A choice is compared with the mean")
    assert lines[2].startswith("each doubling of width raises ap by 0.020 (+0.01")
    assert lines[3] == "width 8 cannot be estimated: 12 necks are too few for 12 choices."
    assert any(line.startswith("each doubling of width buys +0.00") and "per millisecond" in line for line in lines)
    assert ["each", "doubling", "of", "width", "x2.00", "x1.50"] in [line.split() for line in lines]
    assert lines[-1] == "ap_small: no effects, because it is the same for all necks."


def test_json(nas: Nas, url: str) -> None:
    found = nas("effects", "cells", "--storage", url, "--json").json
    assert (found["study"], found["necks"], found["certificate"]) == ("cells", 12, 0)
    assert [m["metric"] for m in found["metrics"]] == ["ap", "ap_small", "params", "latency_ms"]
    doubling = found["metrics"][2]["effects"][0]
    assert (doubling["parameter"], doubling["choice"], doubling["clear"]) == ("width", None, True)
    assert doubling["value"] == pytest.approx(2.0, abs=1e-3)
    assert found["rates"][0]["clear"] is True


def test_metrics_that_are_picked(nas: Nas, url: str) -> None:
    found = nas("effects", "cells", "--storage", url, "--metric", "params", "--metric", "ap", "--json").json
    assert [m["metric"] for m in found["metrics"]] == ["params", "ap"]


def test_a_figure_that_loads_nothing(nas: Nas, url: str) -> None:
    done = nas("effects", "cells", "--storage", url, "--plot", "effects.html")
    assert (done.status, done.err) == (0, "wrote effects.html\n")
    page = Path("effects.html").read_text()
    assert "each doubling of width" in page
    assert '<script src="http' not in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cell"], "there is no study 'cell' in the database; did you mean cells?"),
        (["cells", "--metric", "miou"], "metric miou: no trained neck has it; they have ap, ap_small, params,"),
        (["cells", "--plot", "no/effects.html"], "--plot no/effects.html: there is no folder no"),
        (["few"], "study 'few': 1 necks of its search space are trained, and effects need 12; launch it with more"),
    ],
)
def test_what_is_refused(words: list[str], message: str, refused: Callable[..., str], url: str) -> None:
    assert refused("effects", *words, "--storage", url).startswith(message)
