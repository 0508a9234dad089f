from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.storage import open_store
from tests.cli.conftest import Nas
from tests.fabricated import TEXT, Fabric, architecture


def test_a_study_as_a_table(nas: Nas, storage: str) -> None:
    done = nas("show", "cells", "--storage", storage)
    lines = done.out.splitlines()
    assert done.status == 0
    assert lines[0].startswith("study cells: interrupted after 0 s; trials: 4 complete, 1 pruned, 1 failed")
    assert [line.split() for line in lines[2:6]] == [
        ["trial", "ap", "params", "latency_ms", "seconds"],
        ["fpn", "0", "0.361", "1.20", "M", "12.50", "12.3"],
        ["panet", "(infeasible)", "1", "0.900", "9.90", "G", "99.00", "12.3"],
        ["best", "3", "0.372", "1.50", "M", "14.00", "12.3"],
    ]
    assert len({len(line) for line in lines[2:6]}) == 1
    assert lines[7] == "ap: trial 3 has 0.372, the best baseline (fpn) 0.361: +0.011"


def test_json_adds_where_the_study_comes_from(nas: Nas, storage: str) -> None:
    shown = nas("show", "cells", "--storage", storage, "--json").json
    assert set(shown) == {
        *("study", "state", "seconds", "trials", "best", "baselines", "answer"),
        *("created", "provenance", "spec", "proxy", "measuring"),
    }
    assert shown["spec"]["task"]["data"] == {"kind": "digits"}


def test_a_trial(nas: Nas, storage: str) -> None:
    done = nas("show", "cells", "0", "--storage", storage)
    assert done.out.startswith("trial 0 of cells: complete, baseline fpn\n")
    assert "\nap           0.361\n" in done.out
    assert architecture(8).digest in done.out
    assert re.search(r"^width +24$", nas("show", "cells", "2", "--storage", storage).out, re.MULTILINE)
    assert nas("show", "cells", "1", "--storage", storage).out.splitlines()[1] == "breaks a constraint"
    assert nas("show", "cells", "4", "--storage", storage).out.splitlines()[1] == "the same architecture as trial 3"
    assert nas("show", "cells", "7", "--storage", storage).out.splitlines()[1] == "the loss is not finite"
    assert nas("show", "cells", "9", "--storage", storage).out == "trial 9 of cells: waiting\n"


def test_a_trial_as_json(nas: Nas, storage: str) -> None:
    shown = nas("show", "cells", "2", "--storage", storage, "--json").json
    assert (shown["study"], shown["trial"], shown["state"]) == ("cells", 2, "complete")
    assert (shown["values"]["ap"], shown["values"]["ap_small"]) == (0.3, None)
    assert shown["curve"][1]["metrics"] == {"loss": 0.5}


def test_a_file_means_the_study_of_its_name(nas: Nas, storage: str) -> None:
    Path("cells.yaml").write_text(TEXT)
    assert nas("show", "cells.yaml", "--storage", storage).out.startswith("study cells:")
    Path("other.yaml").write_text(TEXT)
    named = nas("show", "other.yaml", "--set", "name=cells", "--storage", storage)
    assert named.out.startswith("study cells:")


def test_several_objectives_are_compared_one_by_one(nas: Nas, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with open_store(url, create=True) as store:
        study = Fabric(store, objectives=("ap", "latency_ms"))
        study.complete(8, ap=0.30, latency_ms=5.0, baseline="fpn")
        study.complete(16, ap=0.40, latency_ms=10.0)
    lines = nas("show", "cells", "--storage", url).out.splitlines()
    assert [line.split()[:2] for line in lines[3:6]] == [["fpn", "0"], ["front", "1"], ["front", "0"]]
    assert lines[7:9] == [
        "ap: trial 1 has 0.400, the best baseline (fpn) 0.300: +0.100",
        "latency_ms: no proposal is ahead of the baseline fpn (5.00)",
    ]


def test_without_a_feasible_trial_nothing_is_best(nas: Nas, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with open_store(url, create=True) as store:
        Fabric(store).complete(8, ap=0.30, baseline="fpn", feasible=False)
    assert nas("show", "cells", "--storage", url).out.splitlines()[-3] == "No feasible trial has finished."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cell"], "there is no study 'cell' in the database; did you mean cells?"),
        (["cells", "77"], "study 'cells' has no trial 77; its trials are 0 to 9"),
        (["cells", "--set", "seed=1"], "--set changes a study file, and 'cells' is a study in the database"),
        (["cells.yaml"], "there is no study 'cells.yaml': not a file"),
    ],
)
def test_what_is_not_there(words: list[str], message: str, refused: Callable[..., str], storage: str) -> None:
    assert refused("show", *words, "--storage", storage).startswith(message)


def test_a_file_whose_study_was_never_launched(refused: Callable[..., str], storage: str) -> None:
    Path("new.yaml").write_text(TEXT)
    assert refused("show", "new.yaml", "--storage", storage).startswith("there is no study 'new' in the database")
