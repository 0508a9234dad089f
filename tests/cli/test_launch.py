"""The arguments and output of nas launch. The search itself is tested with `nas.search`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.errors import NASError
from nas.storage import open_store
from nas.storage.results import result
from nas.studies.catalog import StudyFile
from nas.studies.spec import Budget, Workers
from tests.cli.conftest import Nas
from tests.cli.test_ls import UNUSABLE
from tests.fabricated import TEXT


@pytest.fixture
def asked(storage: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of a search that reports a line and returns the fabricated study in the state `state`."""
    given: dict[str, Any] = {"state": "done"}

    def launch(file: StudyFile, *, say: Callable[[str], None], **rest: Any) -> Any:
        given.update(rest, spec=file.study, text=file.text)
        say("trial 0 starts")
        with open_store(storage, create=False) as store:
            return result(store, "cells").model_copy(update={"state": given["state"]})

    monkeypatch.setattr("nas.search.launch", launch)
    return given


def test_a_file_with_every_option(nas: Nas, asked: dict[str, Any]) -> None:
    Path("mine.yaml").write_text(f"{TEXT}budget: {{trials: 5, seconds: 60}}\n")
    done = nas(
        *("launch", "mine.yaml", "--storage", "sqlite:///x.db", "--artifacts", "kept", "--name", "12", "--trials", "9"),
        *("--workers", "2", "--executor", "local", "--address", "host:6379", "--set", "task.epochs=3"),
    )
    assert done.status == 0, done.err
    assert (asked["storage"], asked["artifacts"]) == ("sqlite:///x.db", "kept")
    assert asked["text"] == Path("mine.yaml").read_text()
    spec = asked["spec"]
    assert (spec.name, spec.executor, spec.address, spec.task.epochs) == ("12", "local", "host:6379", 3)
    assert (spec.budget, spec.workers) == (Budget(trials=9, seconds=60), Workers(count=2))


def test_the_table_is_on_stdout_and_progress_on_stderr(nas: Nas, asked: dict[str, Any], storage: str) -> None:
    done = nas("launch", "quickstart")
    assert done.err == "trial 0 starts\n"
    shown = nas("show", "cells", "--storage", storage).out
    assert shown.replace("interrupted", "done").startswith(done.out)


def test_json_is_one_object_on_stdout(nas: Nas, asked: dict[str, Any]) -> None:
    done = nas("launch", "quickstart", "--json")
    assert set(done.json) == {"study", "state", "seconds", "trials", "best", "baselines", "answer"}
    assert done.err == "trial 0 starts\n"


def test_a_launch_says_that_it_notifies_nobody(nas: Nas, asked: dict[str, Any]) -> None:
    done = nas("launch", "quickstart", "--set", "notify=https://example.org/hook")
    line = "notify: https://example.org/hook is not called by this launch; only `nas serve` calls it"
    assert done.err.splitlines()[0] == line


@pytest.mark.parametrize(("state", "status"), [("done", 0), ("exhausted", 0), ("failed", 1), ("interrupted", 130)])
def test_the_exit_status_is_that_of_the_search(state: str, status: int, nas: Nas, asked: dict[str, Any]) -> None:
    asked["state"] = state
    done = nas("launch", "quickstart", "--json")
    assert (done.status, done.json["state"]) == (status, state)


def test_a_stored_study_goes_on_by_its_name(nas: Nas, asked: dict[str, Any], storage: str) -> None:
    assert nas("launch", "cells", "--storage", storage, "--trials", "50").status == 0
    with open_store(storage, create=False) as store:
        record = store.study("cells")
    assert record is not None
    assert asked["text"] == record.text
    assert asked["spec"] == record.spec.model_copy(update={"budget": Budget(trials=50)})


def test_a_shipped_study_comes_before_a_stored_one(nas: Nas, asked: dict[str, Any], storage: str) -> None:
    nas("launch", "quickstart", "--storage", storage)
    assert "# nas launch quickstart" in asked["text"]


def test_a_search_that_fails_is_one_message(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(*_: object, **__: object) -> None:
        raise NASError("no worker can start")

    monkeypatch.setattr("nas.search.launch", launch)
    done = nas("launch", "quickstart", "--json")
    assert (done.status, done.out, done.err) == (1, "", "nas: no worker can start\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "there is no study 'nothing': not a file, and shipped are bccd, bccd_vit, nuclei, quickstart"),
        (["nothing.yaml"], "there is no study 'nothing.yaml': not a file"),
        (["quickstart", "--dry-run", "--sink", "wandb:x"], "unknown sink 'wandb'; one of mlflow, tensorboard"),
        (["quickstart", "--trials", "0"], "budget.trials: should be greater than or equal to 1, not 0 (from --set"),
        (["quickstart", "--workers", "many"], "workers.count: should be a valid integer or 'auto', not 'many'"),
        (["quickstart", "--executor", "spark"], "executor: unknown 'spark'; one of ray, local"),
        (["quickstart", "--set", "objectives=[mAP]"], "objectives[0].metric: unknown metric 'mAP'; one of ap"),
        (["quickstart", "--set", "baselines=[pan]"], "baselines[0]: unknown 'pan'; one of fpn"),
        (["quickstart", "--set", "space.width={low: 64, high: 32}"], "space.width: an empty range"),
        (["quickstart", "--set", "search_space=pyramidd"], "there is no search space 'pyramidd'"),
        (["quickstart", "--set", "task.backbone.checkpoint=no.safetensors"], "no.safetensors"),
        (["bccd"], "task.data.root: there is no folder"),
    ],
)
def test_what_cannot_be_launched(words: list[str], message: str, refused: Callable[..., str]) -> None:
    assert message in refused("launch", *words)


def test_an_unknown_name_in_a_database(refused: Callable[..., str], storage: str) -> None:
    reported = refused("launch", "cell", "--storage", storage)
    assert reported.startswith("there is no study 'cell': not a file")
    assert reported.endswith(f"nor is there one of that name in {storage}")


@UNUSABLE
def test_a_name_in_a_database_that_cannot_be_read(
    made: Callable[[Path], str], message: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    reported = refused("launch", "cells", "--storage", made(tmp_path))
    # A missing database is the usual case: then only the files count.
    assert (message if message != "there is no such database" else "there is no study 'cells'") in reported
