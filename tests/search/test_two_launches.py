"""Two launches of one study: the second one says that it is running, whenever it comes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.errors import UserError
from nas.executors import evaluate
from nas.search import driver, launch
from nas.storage import open_store
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from tests import searches
from tests.searches import quick, spec

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)


def _launch(url: str, start: Any, refused: Any, ended: Any) -> None:
    def patient(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        refused.wait()
        yield from quick(task, job)

    evaluate.evaluate = patient
    start.wait()
    try:
        ended.put(launch(spec(), storage=url, say=lambda line: None).state)
    except Exception as error:
        ended.put((type(error), getattr(error, "exit_status", None), str(error)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_of_two_at_once_one_runs_and_the_other_says_so(tmp_path: Path) -> None:
    searches.prepared()
    for turn in range(3):
        url = f"sqlite:///{tmp_path}/{turn}.db"
        start, refused, ended = FORK.Barrier(2), FORK.Event(), FORK.SimpleQueue()
        processes = [FORK.Process(target=_launch, args=(url, start, refused, ended)) for _ in range(2)]
        for process in processes:
            process.start()
        kind, status, message = ended.get()
        assert (kind, status) == (UserError, 2)
        assert message.startswith("study 'small' is running: pid ")
        assert int(message.split("pid ")[1].split()[0]) in {process.pid for process in processes}
        refused.set()
        assert ended.get() == "done"
        for process in processes:
            process.join()
        with open_store(url, create=False) as store:
            assert len(store.optuna.get_all_studies()) == 1
            assert len(store.studies()) == 1


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that comes between a second one's look at the database and its writing."""
    url, prepare = searches.url(tmp_path), driver._checked

    def checked(*args: Any) -> Any:
        found = prepare(*args)
        with open_store(url, create=True) as store, pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver, "_checked", prepare)
            lease = driver._lease(store, "small", found[1], None, "task: {}")
            optuna.create_study(study_name="small", storage=store.optuna)
            held.append(lease)
        return found

    held: list[Any] = []
    monkeypatch.setattr(driver, "_checked", checked)


@pytest.mark.usefixtures("first")
def test_one_that_comes_between_is_seen(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"study 'small' is running: pid \d+ on host .* since "):
        launch(spec(), storage=searches.url(tmp_path), say=lambda line: None)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert [study.state for study in store.studies()] == ["running"]
        assert store.trials("small") == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("place", ["_share", "import_shipped_certificate", "_drive"])
def test_a_launch_killed_at_its_beginning_can_be_gone_on_with(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is there of the study by then; a backbone that its workers share is written by the next launch."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(driver, place, killed)
        with pytest.raises(Killed):
            launch(spec(), storage=searches.url(tmp_path), say=lambda line: None)
    assert launch(spec(), storage=searches.url(tmp_path), say=lambda line: None).state == "done"
    with open_store(searches.url(tmp_path), create=False) as store:
        owner = f"task/{searches.prepared().fingerprint}"
        assert all(store.has_artifact(owner, kind) for kind in searches.prepared().shared())
