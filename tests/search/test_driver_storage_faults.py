"""DriverStorage against Optuna's own storage, call by call; and what is left when a process or the database dies."""

from __future__ import annotations

import inspect
import itertools
import math
import os
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, UniqueConstraint, event

from nas.errors import StoreFailed
from nas.search.driver_storage import DriverStorage
from nas.search.optuna_adapter import requeue, resume
from nas.storage import Store, open_store
from nas.storage.patience import DatabaseAway
from tests.postgres import Server

DIRECTIONS = (StudyDirection.MAXIMIZE,)
WAITING, RUNNING, FAIL = TrialState.WAITING, TrialState.RUNNING, TrialState.FAIL

_NAMES = (f"study-{k}" for k in itertools.count())


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/nas.db"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with our tables and Optuna's, and no study: copied, not opened."""
    folder = tmp_path_factory.mktemp("empty")
    with open_store(url(folder), create=True) as store:
        store.optuna.get_all_studies()
    return folder / "nas.db"


@pytest.fixture
def store(empty: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(empty, tmp_path)
    with open_store(url(tmp_path), create=True, say=lambda line: None) as store:
        yield store


def driven(store: Store, name: str, seed: int = 0) -> optuna.Study:
    """The study as its driver has it."""
    made = optuna.create_study(study_name=name, storage=store.optuna, directions=DIRECTIONS, load_if_exists=True)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    return optuna.load_study(study_name=name, storage=DriverStorage(store, made._study_id), sampler=sampler)


def reread(address: str, name: str) -> list[FrozenTrial]:
    """The trials as another process reads them."""
    storage = RDBStorage(address)
    trials = optuna.load_study(study_name=name, storage=storage).get_trials()
    storage.remove_session()
    storage.engine.dispose()
    return trials


def facts(trial: FrozenTrial) -> list[str]:
    """All of a trial except its id and its times, of which only whether there is one counts."""
    marks = {key: value for key, value in trial.system_attrs.items() if not key.startswith("dashboard")}
    times = trial.datetime_start is not None, trial.datetime_complete is not None
    parts = (trial.params, trial.distributions, trial.user_attrs, marks, trial.intermediate_values)
    return [repr(x) for x in (trial.number, trial.state, trial.values, times, *(sorted(p.items()) for p in parts))]


# What it needs of Optuna's private interfaces


TABLES = {
    models.TrialModel: ({"trial_id", "state", "datetime_complete"}, None),
    models.TrialParamModel: (
        {"trial_id", "param_name", "param_value", "distribution_json"},
        {"trial_id", "param_name"},
    ),
    models.TrialUserAttributeModel: ({"trial_id", "key", "value_json"}, {"trial_id", "key"}),
    models.TrialSystemAttributeModel: ({"trial_id", "key", "value_json"}, {"trial_id", "key"}),
    models.StudySystemAttributeModel: ({"study_id", "key", "value_json"}, {"study_id", "key"}),
    models.TrialIntermediateValueModel: (
        {"trial_id", "step", "intermediate_value", "intermediate_value_type"},
        {"trial_id", "step"},
    ),
    models.TrialValueModel: ({"trial_id", "objective", "value", "value_type"}, {"trial_id", "objective"}),
}
"""The columns that it writes, and those by which a row is one."""


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__tablename__)
def test_optunas_tables_are_those_that_it_writes(model: Any) -> None:
    columns, key = TABLES[model]
    own = {column.name for column in model.__table__.columns if not column.primary_key}
    assert columns - {"trial_id"} <= own
    if key is None:  # its rows are changed, not made
        return
    assert own == columns, "a new column has to be written too"
    unique = [set(c.columns.keys()) for c in model.__table__.constraints if isinstance(c, UniqueConstraint)]
    assert key in unique


def test_optunas_private_calls_take_what_they_are_given() -> None:
    read = inspect.signature(RDBStorage._get_trials).parameters
    assert list(read) == ["self", "study_id", "states", "included_trial_ids", "trial_id_greater_than"]
    assert list(inspect.signature(RDBStorage._create_new_trial).parameters) == ["self", "study_id", "template_trial"]
    for to_stored in (
        models.TrialIntermediateValueModel.intermediate_value_to_stored_repr,
        models.TrialValueModel.value_to_stored_repr,
    ):
        stored, kind = to_stored(math.inf)
        assert kind.name == "INF_POS"
        assert stored in (None, 0.0)
        assert to_stored(0.5)[0] == 0.5


def test_it_answers_every_call_of_a_storage() -> None:
    assert DriverStorage.__abstractmethods__ == frozenset()
    writes = {name for name in vars(BaseStorage) if name.startswith(("set_", "create_", "delete_"))}
    assert writes <= vars(DriverStorage).keys(), "a write that is inherited would go past the trials in memory"


# The same calls on both

FLOATS = st.floats(-1e6, 1e6) | st.sampled_from([math.inf, -math.inf])
REPORTS = FLOATS | st.just(math.nan)
JSON = st.none() | st.booleans() | st.integers(-5, 5) | st.text("aé'\"%:", max_size=4) | st.lists(st.integers(0, 3))
KEYS = st.sampled_from(["digest", "metrics", "é: %s"])
WHICH = st.integers(0, 9)
CALLS = st.one_of(
    st.tuples(st.just("ask")),
    st.tuples(st.just("ask")),
    st.tuples(st.just("suggest"), WHICH, st.sampled_from(["width", "fusion", "rate"])),
    st.tuples(st.just("report"), WHICH, st.integers(0, 3), REPORTS),
    st.tuples(st.just("user"), WHICH, KEYS, JSON),
    st.tuples(st.just("system"), WHICH, KEYS, JSON),
    st.tuples(st.just("complete"), WHICH, FLOATS),
    st.tuples(st.just("end"), WHICH, st.sampled_from([TrialState.PRUNED, FAIL])),
    st.tuples(st.just("requeue"), WHICH),
    st.tuples(st.just("enqueue"), st.sampled_from([{"width": 16}, {"fusion": "add", "rate": 0.5}, {}])),
    st.tuples(st.just("other transaction")),
    st.tuples(st.just("study attribute"), KEYS, JSON),
)

SUGGEST: dict[str, Callable[[optuna.Trial], object]] = {
    "width": lambda trial: trial.suggest_int("width", 8, 96, step=8),
    "fusion": lambda trial: trial.suggest_categorical("fusion", ["add", "concat", None]),
    "rate": lambda trial: trial.suggest_float("rate", 1e-4, 1.0, log=True),
}


class Both:
    """One study under Optuna's storage or ours; a call has the same effect on both."""

    def __init__(self, study: optuna.Study, store: Store | None = None) -> None:
        self.study = study
        self.store = store
        self.live: list[optuna.Trial] = []

    def call(self, what: str, *given: Any) -> object:
        """Make one call. Returns what a driver would see of it."""
        storage, study = self.study._storage, self.study
        if what == "ask":
            self.live.append(study.ask())
            return self.live[-1].number
        if what == "enqueue":
            return study.enqueue_trial(*given)
        if what == "study attribute":
            storage.set_study_system_attr(study._study_id, *given)
            return storage.get_study_system_attrs(study._study_id)[given[0]]
        if what == "other transaction":
            return self.store.record_latency("d", "m", "torch", 1.0) if self.store is not None else None
        if not self.live:
            return None
        which = given[0] % len(self.live)
        trial, rest = self.live[which], given[1:]
        match what:
            case "suggest":
                return SUGGEST[rest[0]](trial)
            case "report":
                storage.set_trial_intermediate_value(trial._trial_id, *rest)
            case "user":
                storage.set_trial_user_attr(trial._trial_id, *rest)
            case "system":
                storage.set_trial_system_attr(trial._trial_id, *rest)
            case "complete":
                study.tell(self.live.pop(which), rest[0])
            case "end":
                study.tell(self.live.pop(which), state=rest[0])
            case "requeue":
                number = self.live.pop(which).number
                requeue(study, study.get_trials(deepcopy=False)[number])
        return sorted(t.number for t in self.live)


@cache
def _optunas(folder: Path) -> RDBStorage:
    return RDBStorage(f"sqlite:///{folder}/optuna.db")


@pytest.fixture(scope="module")
def pair(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RDBStorage, Store]]:
    """Two databases for all examples: one of Optuna's storage, one of ours."""
    folder = tmp_path_factory.mktemp("pair")
    shutil.copy(empty, folder)
    with open_store(url(folder), create=True) as store:
        yield _optunas(folder), store
    _optunas(folder).engine.dispose()


@settings(max_examples=12)
@given(calls=st.lists(CALLS, min_size=8, max_size=24), seed=st.integers(0, 9))
def test_it_keeps_what_optunas_storage_keeps(
    pair: tuple[RDBStorage, Store], calls: list[tuple[Any, ...]], seed: int
) -> None:
    storage, store = pair
    name = next(_NAMES)
    plain = optuna.create_study(
        study_name=name, storage=storage, directions=DIRECTIONS, sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    theirs, ours = Both(plain), Both(driven(store, name, seed), store)
    for call in calls:
        assert repr(ours.call(*call)) == repr(theirs.call(*call)), call
    expected = [facts(trial) for trial in theirs.study.get_trials()]
    assert [facts(trial) for trial in ours.study.get_trials()] == expected, "in memory"
    for state in TrialState:
        numbers = [t.number for t in theirs.study.get_trials(states=(state,))]
        assert [t.number for t in ours.study.get_trials(states=(state,))] == numbers
    store.together(lambda: None)
    assert [facts(trial) for trial in reread(f"sqlite:///{store._database.file}", name)] == expected, "in the database"
    assert [facts(trial) for trial in driven(store, name).get_trials()] == expected, "for a later driver"


# A process that is killed

TRIALS, NAME = 4, "cells"


def drive(store: Store, trials: int) -> None:
    """Finish trials as the loop does: those left RUNNING by an earlier process wait, and are asked first."""
    study = driven(store, NAME)
    for frozen in study.get_trials(deepcopy=False, states=(RUNNING,)):
        requeue(study, frozen)
    while sum(t.state.is_finished() for t in study.get_trials(deepcopy=False)) < trials:
        trial = study.ask()
        width, fusion = SUGGEST["width"](trial), SUGGEST["fusion"](trial)
        trial.set_user_attr("digest", f"{width} {fusion}")
        store.record_latency(f"{trial.number}", "m", "torch", 1.0)  # some transaction of ours
        for epoch in (1, 2):
            study._storage.set_trial_intermediate_value(trial._trial_id, epoch, trial.number + epoch / 2)
        trial.set_user_attr("metrics", {"ap": trial.number})
        if trial.number % 2:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, float(trial.number))


def whole(trial: FrozenTrial) -> bool:
    """Whether a finished trial has everything that was set before its end."""
    digest = f"{trial.params.get('width')} {trial.params.get('fusion')}"
    pruned, number = bool(trial.number % 2), trial.number
    value = number + 1.0 if pruned else float(number)  # Optuna takes the last report of a pruned trial
    return (
        trial.user_attrs == {"digest": digest, "metrics": {"ap": number}}
        and trial.intermediate_values == {1: number + 0.5, 2: number + 1.0}
        and trial.state == (TrialState.PRUNED if pruned else TrialState.COMPLETE)
        and trial.values == [value]
        and trial.datetime_complete is not None
        and set(trial.distributions) == {"width", "fusion"}
    )


def instants(engines: list[Engine], at: Callable[[], None]) -> None:
    """Call `at` before every statement and every commit."""
    for engine in engines:
        event.listen(engine, "before_cursor_execute", lambda *_: at())
        event.listen(engine, "commit", lambda *_: at())


def killed(address: str, instant: int) -> bool:
    """Drive the study in a forked process that dies at an instant. Returns whether it died before it was done."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads exist: the child opens all that it uses
        child = os.fork()
    if child == 0:
        status = 2
        try:
            passed = itertools.count()

            def die() -> None:
                if next(passed) == instant:
                    os._exit(1)

            store = open_store(address, create=True)
            instants([store._database.engine, store.optuna.engine], die)
            for name in ("set_trial_param", "set_trial_intermediate_value", "set_trial_user_attr", "_change"):
                setattr(DriverStorage, name, _dying(getattr(DriverStorage, name), die))
            drive(store, TRIALS)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 1)
    return code == 1


def _dying(method: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    def called(*args: Any) -> Any:
        die()
        found = method(*args)
        die()
        return found

    return called


def test_a_process_that_is_killed_leaves_no_half_finished_trial(empty: Path, tmp_path: Path) -> None:
    address, chance, deaths, finished = url(tmp_path), random.Random(0), 0, set()
    for start in itertools.count(0, 29):
        shutil.copy(empty, tmp_path)
        died = killed(address, start + chance.randrange(29))
        with open_store(address, create=True) as store:
            made = [study.study_name for study in store.optuna.get_all_studies()]
            left = [t for t in reread(address, NAME) if t.state.is_finished()] if NAME in made else []
            assert all(whole(trial) for trial in left), start
            finished.add(len(left))
            drive(store, TRIALS)
            assert all(whole(trial) for trial in reread(address, NAME)), start
        deaths += died
        for file in tmp_path.glob("nas.db*"):
            file.unlink()
        if not died:
            break
    assert deaths > 5
    assert finished == set(range(TRIALS + 1))


# A database that goes away


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.storage.patience._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("nas.storage.patience._LONGEST_PAUSE", 0.2)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
def test_what_waited_is_written_again_when_the_database_went_away(
    store: Store, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = store._database.engine.dialect
    real, commits, works = dialect.do_commit, itertools.count(), itertools.count()

    def lost(connection: Any) -> None:
        first = next(commits) == 0
        if first and not committed:
            raise DatabaseAway("the server is gone")
        real(connection)
        if first:
            raise DatabaseAway("the answer to the commit is lost")

    study = driven(store, NAME)
    trial = study.ask()
    SUGGEST["width"](trial), SUGGEST["fusion"](trial)
    trial.report(0.5, 1)
    trial.set_user_attr("digest", "a")
    monkeypatch.setattr(dialect, "do_commit", lost)
    store.together(lambda: next(works))
    assert next(works) == 2, "the work ran twice"
    address = f"sqlite:///{store._database.file}"
    assert [facts(t) for t in reread(address, NAME)] == [facts(t) for t in study.get_trials()]
    commits = itertools.count()
    study.tell(trial, 0.25)
    assert next(commits) == 2, "the end was written twice"
    assert [facts(t) for t in reread(address, NAME)] == [facts(t) for t in study.get_trials()]
    assert study.best_value == 0.25


@pytest.mark.usefixtures("_soon")
def test_what_a_failed_transaction_did_not_keep_waits_for_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_DATABASE_PATIENCE", "0")
    study = driven(store, NAME)
    trial = study.ask()
    SUGGEST["width"](trial)
    dialect = store._database.engine.dialect

    def away(connection: Any) -> None:
        raise DatabaseAway("the server is gone")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", away)
        with pytest.raises(StoreFailed, match="the server is gone"):
            store.together(lambda: None)
    address = f"sqlite:///{store._database.file}"
    assert reread(address, NAME)[0].params == {}
    trial.set_user_attr("digest", "a")
    store.together(lambda: None)
    assert [facts(t) for t in reread(address, NAME)] == [facts(t) for t in study.get_trials()]


@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("error", [DatabaseAway("the server is gone"), KeyboardInterrupt()], ids=["away", "Ctrl-C"])
def test_an_end_that_was_cut_is_an_end(
    store: Store, error: BaseException, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launch that ends by this requeues what still runs: a trial whose end the next heartbeat writes must not."""
    monkeypatch.setenv("NAS_DATABASE_PATIENCE", "0")
    study = driven(store, NAME)
    trials = [study.ask(), study.ask()]
    SUGGEST["width"](trials[0])
    dialect = store._database.engine.dialect
    real = dialect.do_commit

    def cut(connection: Any) -> None:
        if committed:
            real(connection)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", cut)
        with pytest.raises((StoreFailed, KeyboardInterrupt)):
            study.tell(trials[0], 0.5)
        with pytest.raises((StoreFailed, KeyboardInterrupt)):
            study._storage.get_study_system_attrs(study._study_id)  # tries again to write what waits
    store.record_latency("d", "m", "torch", 1.0)
    for frozen in study.get_trials(deepcopy=False, states=(RUNNING,)):
        requeue(study, frozen)
    found = reread(f"sqlite:///{store._database.file}", NAME)
    assert [facts(t) for t in found] == [facts(t) for t in study.get_trials()]
    assert [t.state for t in found] == [TrialState.COMPLETE, WAITING]
    assert found[0].value == 0.5


@pytest.mark.postgres
@pytest.mark.usefixtures("_soon")
def test_a_server_that_is_started_again_is_waited_for(postgres: Server, postgres_url: str) -> None:
    lines: list[str] = []
    with open_store(postgres_url, create=True, say=lines.append) as store:
        study = driven(store, NAME)
        for end in (0.5, None):
            trial = study.ask()
            SUGGEST["width"](trial)
            trial.report(0.5, 1)
            postgres.stop()
            back = Timer(0.2, postgres.start)
            back.start()
            study.tell(trial, end, state=None if end is not None else TrialState.PRUNED)
            back.join()
        assert any("answers again" in line for line in lines)
        expected = [facts(t) for t in study.get_trials()]
        assert [t.state for t in study.get_trials()] == [TrialState.COMPLETE, TrialState.PRUNED]
        assert [facts(t) for t in reread(postgres_url, NAME)] == expected
        assert resume(study, study.ask()._get_latest_trial()).number == 2
