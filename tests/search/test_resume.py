"""A driver that dies at any instant: no finished trial is lost or trained twice, none stays RUNNING."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import update

from nas.errors import LeaseLost, UserError
from nas.executors.local import LocalExecutor
from nas.search import launch
from nas.search.ledger import Ledger
from nas.storage import Store, open_store
from nas.storage.lease import Lease
from nas.storage.tables import LAUNCH
from tests import searches
from tests.searches import spec

KILLED = 9

INSTANTS: list[tuple[Any, str, str, int]] = [
    (Store, "put_artifact", "after", 1),
    (Store, "begin", "after", 1),
    (optuna.Study, "enqueue_trial", "before", 2),
    (optuna.Study, "ask", "after", 1),
    (optuna.Study, "ask", "after", 4),
    (Store, "bind", "before", 3),
    (Store, "bind", "after", 3),
    (Store, "attempt", "after", 1),
    (LocalExecutor, "submit", "after", 3),
    (Lease, "beat", "after", 1),
    (Store, "record", "before", 3),
    (Store, "record", "after", 1),
    (Store, "record", "after", 4),
    (Store, "attempt_ended", "after", 3),
    (Ledger, "_write", "after", 3),
    (optuna.Study, "tell", "before", 3),
    (optuna.Study, "tell", "after", 5),
    (Store, "drop_artifact", "after", 1),
]


def dying(owner: Any, method: str, when: str, count: int) -> None:
    """Let this process end as by kill -9, before or after the `count`-th call of a method."""
    original: Callable[..., Any] = getattr(owner, method)
    calls = 0

    def patched(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os._exit(KILLED)
        value = original(*args, **kwargs)
        if calls == count:
            os._exit(KILLED)
        return value

    setattr(owner, method, patched)


@pytest.mark.parametrize(
    ("owner", "method", "when", "count"), INSTANTS, ids=[f"{o.__name__}.{m}-{w}-{c}" for o, m, w, c in INSTANTS]
)
@pytest.mark.slow
def test_killed_at_an_instant_and_launched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, when: str, count: int
) -> None:
    searches.install(monkeypatch)
    storage = searches.url(tmp_path)
    study = spec(budget={"trials": 6}, keep=1)
    child = os.fork()
    if child == 0:
        dying(owner, method, when, count)
        launch(study, storage=storage, say=lambda line: None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED, "the drill must have killed the driver"
    finished = _finished(storage)

    result = launch(study, storage=storage, say=lambda line: None)

    assert (result.state, result.trials.complete) == ("done", 6)
    assert (result.trials.running, result.trials.waiting, result.trials.failed) == (0, 0, 0)
    assert [b.name for b in result.baselines] == ["fpn", "panet"]
    after = _finished(storage)
    assert finished.items() <= after.items(), "no finished trial is lost"
    with open_store(storage, create=False) as store:
        done = [t.key for t in store.trials("small") if store.evaluation(t.key)]
        assert len(set(done)) == 6
        for key in set(done):
            submitted = store.attempts(key)
            assert len([a for a in submitted if a.state == "complete"]) <= 1
            assert len(submitted) <= 2, "trained again only if the first was cut off"
        for found in result.best:
            assert store.get_artifact(str(next(k for k in done if k.digest == found.digest)), "weights")


def _finished(storage: str) -> dict[int, list[float]]:
    """Values of the trials that Optuna has as COMPLETE."""
    with open_store(storage, create=True) as store:
        names = [s.study_name for s in store.optuna.get_all_studies()]
        if "small" not in names:
            return {}
        trials = optuna.load_study(study_name="small", storage=store.optuna).get_trials(deepcopy=False)
        return {t.number: t.values for t in trials if t.state.name == "COMPLETE"}


def test_an_interrupt_keeps_what_finished_and_lets_the_rest_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches.install(monkeypatch)
    storage = searches.url(tmp_path)
    lines: list[str] = []
    calls = 0

    def interrupting(executor: LocalExecutor, timeout: float) -> Any:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return events(executor, timeout)

    events = LocalExecutor.events
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalExecutor, "events", interrupting)
        cut = launch(spec(), storage=storage, say=lines.append)
    assert cut.state == "interrupted"
    assert cut.trials.complete > 0
    assert (cut.trials.running, cut.trials.waiting) == (0, 1)
    assert any("resumes here" in line for line in lines)
    result = launch(spec(), storage=storage, say=lambda line: None)
    assert (result.state, result.trials.complete, result.trials.waiting) == ("done", 6, 0)


def test_a_launch_that_lost_its_lease_leaves_the_trials_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)
    monkeypatch.setattr("nas.search.loop._BEAT_SECONDS", -1.0)
    storage = searches.url(tmp_path)
    events = LocalExecutor.events

    def taken_over(executor: LocalExecutor, timeout: float) -> Any:
        with open_store(storage, create=True) as store, store._database.write() as connection:
            connection.execute(update(LAUNCH).values(state="interrupted"))
        return events(executor, timeout)

    monkeypatch.setattr(LocalExecutor, "events", taken_over)
    with pytest.raises(LeaseLost, match="taken over"):
        launch(spec(), storage=storage, say=lambda line: None)
    with open_store(storage, create=True) as store:
        trials = optuna.load_study(study_name="small", storage=store.optuna).get_trials(deepcopy=False)
        assert [t.state.name for t in trials] == ["RUNNING", "WAITING"]
        assert [a.state for a in store.attempts(store.trials("small")[0].key)] == ["running"]


def test_a_running_study_is_not_launched_a_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)
    storage = searches.url(tmp_path)
    launch(spec(budget={"trials": 2}), storage=storage, say=lambda line: None)
    monkeypatch.delattr("nas.search.driver.set_up")  # refused before anything is prepared
    with (
        open_store(storage, create=True) as store,
        store.lease("small"),
        pytest.raises(UserError, match=f"running.*{os.getpid()}"),
    ):
        launch(spec(), storage=storage, say=lambda line: None)
