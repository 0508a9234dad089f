"""A PostgreSQL server that is killed and started again, under everything that a study does with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Timer
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, event, exc

from nas.errors import StoreFailed, UserError
from nas.storage import Store, open_store
from nas.storage.address import Address
from nas.storage.optuna_storage import REPEATABLE, PatientStorage
from nas.storage.patience import Patience, patience_seconds
from tests.postgres import PASSWORD, Server
from tests.proxy.samples import certificate
from tests.storage import samples

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.storage.patience._FIRST_PAUSE", 0.05)
    monkeypatch.setattr("nas.storage.patience._LONGEST_PAUSE", 0.2)


@pytest.fixture
def lines() -> list[str]:
    """What was said while the database was waited for."""
    return []


@pytest.fixture
def store(postgres_url: str, tmp_path: Path, lines: list[str]) -> Iterator[Store]:
    with open_store(postgres_url, create=True, artifacts=tmp_path / "artifacts", say=lines.append) as store:
        yield store


@contextmanager
def away(server: Server, seconds: float = 0.2) -> Iterator[None]:
    """Kill the server, and start it again some seconds later."""
    server.stop()
    back = Timer(seconds, server.start)
    back.start()
    try:
        yield
    finally:
        back.join()


@contextmanager
def answer_lost(engine: Engine, which: int = 0) -> Iterator[list[int]]:
    """Let a commit go through whose answer never arrives. Yields the commits so far."""
    commits: list[int] = []
    real = engine.dialect.do_commit

    def commit(connection: Any) -> None:
        real(connection)
        commits.append(len(commits))
        if commits[-1] == which:
            connection.driver_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    engine.dialect.do_commit = commit  # type: ignore[method-assign]
    try:
        yield commits
    finally:
        engine.dialect.do_commit = real  # type: ignore[method-assign]


@pytest.mark.postgres
def test_a_server_that_is_started_again_is_waited_for_by_both_halves(
    postgres: Server, store: Store, lines: list[str]
) -> None:
    samples.with_study(store)
    study = optuna.create_study(study_name="pets", storage=store.optuna)
    with away(postgres):
        assert [found.name for found in store.studies()] == ["pets"]
    assert len(lines) >= 2
    assert all(line.startswith("postgresql+psycopg://nas:***@127.0.0.1:") for line in lines)
    assert re.search(r"; trying again in 0\.1 s, for up to 5 min 0 s$", lines[0])
    assert re.search(r" answers again after \d+ s$", lines[-1])
    with away(postgres):
        study.tell(study.ask(), 0.5)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]
    assert not any(PASSWORD in line or "\n" in line for line in lines)


@pytest.mark.postgres
def test_a_server_that_is_not_there_yet_is_waited_for(postgres: Server, lines: list[str]) -> None:
    url = postgres.url(postgres.new())
    with away(postgres), open_store(url, create=True, say=lines.append) as store:
        assert store.studies() == []
    with open_store(url, create=True, say=lines.append) as store, away(postgres):
        assert store.optuna.get_all_studies() == []
    assert any("answers again" in line for line in lines)


@pytest.mark.postgres
def test_a_transaction_cut_in_the_middle_is_done_again_from_the_start(postgres: Server, store: Store) -> None:
    given, calls = samples.evaluation(weights=b"tensors"), 0

    def cut(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        nonlocal calls
        calls += statement.startswith("INSERT INTO nas_curve")
        if calls == 1 and statement.startswith("INSERT INTO nas_curve"):
            postgres.stop()
            postgres.start()

    event.listen(store.database.engine, "before_cursor_execute", cut)
    store.record(given)
    assert calls == 2
    assert store.evaluations("t1-abc") == [samples.without_weights(given)]
    assert store.get_artifact(str(given.key), "weights") == b"tensors"


def _record(store: Store) -> object:
    store.record(samples.evaluation(weights=b"tensors"))
    return store.evaluations("t1-abc"), store.get_artifact(str(samples.key()), "weights")


def _attempt(store: Store) -> object:
    store.attempt(samples.key(), 1, None)
    return [(a.number, a.state) for a in store.attempts(samples.key())]


def _attempt_ended(store: Store) -> object:
    store.attempt_ended(samples.key(), 1, "complete")
    return [(a.number, a.state) for a in store.attempts(samples.key())]


def _bind(store: Store) -> object:
    store.bind("pets", 0, samples.key(), samples.architecture(), None)
    return [(trial.number, trial.key) for trial in store.trials("pets")]


def _certificate(store: Store) -> object:
    store.keep_certificate(certificate())
    return store.certificates("t1-abc", 2)


def _artifact(store: Store) -> object:
    store.put_artifact("pets", "backbone", b"one")
    return store.get_artifact("pets", "backbone")


def _lease(store: Store) -> object:
    with store.lease("pets") as lease:
        lease.beat()
        lease.close("done")
    return [study.state for study in store.studies()]


def _begin(store: Store) -> object:
    samples.with_study(store, "others")
    return [(study.name, study.state) for study in store.studies()]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "write",
    [_record, _attempt, _attempt_ended, _bind, _certificate, _artifact, _lease, _begin],
    ids=lambda w: w.__name__,
)
def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    postgres: Server, postgres_url: str, tmp_path: Path, write: Callable[[Store], object]
) -> None:
    found = []
    template = samples.with_study(open_store(postgres_url, create=True))
    template.close()
    for loses in (False, True):
        url = postgres.url(postgres.new(postgres_url.rpartition("/")[2]))
        with open_store(url, create=True, artifacts=tmp_path / str(loses), say=lambda line: None) as store:
            if loses:
                with answer_lost(store.database.engine) as commits:
                    found.append(write(store))
                assert commits
            else:
                found.append(write(store))
    assert found[0] == found[1]


def _ask(study: optuna.Study) -> object:
    return study.ask().number, [t.state.name for t in study.get_trials()]


def _ask_waiting(study: optuna.Study) -> object:
    study.enqueue_trial({"x": 0.5})
    return _ask(study)


def _enqueue(study: optuna.Study) -> object:
    study.enqueue_trial({"x": 0.5}, user_attrs={"baseline": "fpn"})
    return [(t.state.name, t.user_attrs, t.system_attrs) for t in study.get_trials()]


def _tell(study: optuna.Study) -> object:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.report(0.25, 1)
    trial.set_user_attr("digest", "a1")
    study.tell(trial, 0.5)
    return [(t.state.name, t.values, t.intermediate_values, t.user_attrs) for t in study.get_trials()]


@pytest.mark.postgres
@pytest.mark.parametrize("call", [_ask, _ask_waiting, _enqueue, _tell], ids=lambda call: call.__name__)
def test_optuna_does_nothing_twice_either(store: Store, call: Callable[[optuna.Study], Any]) -> None:
    """The answer is lost to one commit after another, those of reads included."""
    plain = call(optuna.create_study(study_name="plain", storage=store.optuna))
    for which in count():
        study = optuna.create_study(study_name=f"pets {which}", storage=store.optuna)
        with answer_lost(store.optuna.engine, which) as commits:
            assert call(study) == plain
        if len(commits) <= which:
            break
    assert which > 1


@pytest.mark.postgres
def test_a_study_of_optunas_is_made_once(store: Store) -> None:
    with answer_lost(store.optuna.engine) as commits:
        optuna.create_study(study_name="pets", storage=store.optuna)
    assert commits
    assert [study.study_name for study in store.optuna.get_all_studies()] == ["pets"]
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        optuna.create_study(study_name="pets", storage=store.optuna)


@pytest.mark.postgres
def test_patience_ends_with_one_sentence_and_is_used_up_only_once(
    postgres: Server, store: Store, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _ = store.optuna
    monkeypatch.setenv("NAS_DATABASE_PATIENCE", "0.3")
    postgres.stop()
    try:
        for call in (store.studies, store.optuna.get_all_studies):
            with pytest.raises(StoreFailed, match=r"goes on once the database is back$") as error, store.reported():
                call()
            assert error.value.exit_status == 1
            assert PASSWORD not in str(error.value)
            assert "\n" not in str(error.value)
        waited = len(lines)
        assert waited > 0
        with pytest.raises(StoreFailed):
            store.studies()
        assert len(lines) == waited
    finally:
        postgres.start()
    assert store.studies() == []


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.url("postgres", "wrong"), "password authentication failed"),
        (lambda s: s.url("nowhere"), 'database "nowhere" does not exist'),
        (lambda s: s.url("postgres").replace("127.0.0.1", "no-such-host.invalid"), "no-such-host.invalid"),
    ],
    ids=["password", "database", "host"],
)
def test_a_mistake_is_not_waited_for(postgres: Server, change: Callable[[Server], str], sentence: str) -> None:
    said: list[str] = []
    with pytest.raises(Exception, match=sentence) as error:
        open_store(change(postgres), create=True, say=said.append)
    assert error.value.exit_status == 2  # type: ignore[attr-defined]
    assert said == []
    assert PASSWORD not in str(error.value)
    assert ":wrong@" not in str(error.value)


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = 0.0, []
    monkeypatch.setattr("nas.storage.patience._FIRST_PAUSE", 0.5)
    monkeypatch.setattr("nas.storage.patience._LONGEST_PAUSE", 15.0)

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("time.sleep", sleep)
    said: list[str] = []

    def work() -> None:
        raise exc.OperationalError(None, None, Exception("connection refused"))

    patience = Patience(Address.parse("postgresql+psycopg://me:secret@host/db"), said.append)
    with pytest.raises(StoreFailed, match=r"me:\*\*\*@host/db: connection refused; it was waited for 5 min 0 s"):
        patience.run(work)
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 15]
    assert now == 300
    assert len(said) == len(pauses)


def test_an_interrupted_wait_is_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    patience = Patience(Address.parse("postgresql+psycopg://me:secret@host/db"), said.append)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        raise exc.OperationalError(None, None, Exception("connection refused"))

    monkeypatch.setattr("time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        patience.run(work)
    with pytest.raises(StoreFailed, match=r"connection refused\. What is finished is kept"):
        patience.run(work)
    assert len(said) == 1


def test_sqlite_is_never_away(tmp_path: Path) -> None:
    patience = Patience(Address.parse(f"sqlite:///{tmp_path}/nas.db"), print)

    def work() -> None:
        raise exc.OperationalError(None, None, Exception("unable to open database file"))

    with pytest.raises(exc.OperationalError):
        patience.run(work)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_patience_is_a_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DATABASE_PATIENCE", text)
    with pytest.raises(UserError, match=f"NAS_DATABASE_PATIENCE: '{text}' is no number of seconds"):
        patience_seconds()


def test_every_method_of_optunas_storage_is_patient() -> None:
    """What touches the database, apart from what calls another method of it."""
    through = {
        "create_new_trial", "set_trial_param", "get_all_trials", "get_best_trial", "remove_session", "upgrade",
        "get_current_version", "get_head_version", "get_all_versions", "record_heartbeat", "get_heartbeat_interval",
        "get_heartbeat_stale_trial_callback", "check_trial_is_updatable",
        "get_failed_trial_callback", "get_n_trials", "get_trial_number_from_id", "get_trial_params",
    }  # fmt: skip
    public = {name for name in dir(RDBStorage) if not name.startswith("_") and callable(getattr(RDBStorage, name))}
    own = {name for name in vars(PatientStorage) if callable(getattr(PatientStorage, name))}
    assert public - through <= own
    assert own >= {"_create_new_trial", *REPEATABLE}
