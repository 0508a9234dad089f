"""The queue at work: real processes, studies that take no time."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from nas.storage import open_store
from nas.storage.results import result
from tests.service.served import Served, quick_study, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@contextmanager
def serving(url: str, *words: str | Path, **env: str) -> Iterator[Served]:
    served = Served(url, *words, **env)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            assert served.stop() == 0, served.said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """A service for the tests that do not end it."""
    (folder / "data").mkdir()
    with serving(f"sqlite:///{folder}/nas.db", "--data-root", folder / "data") as served:
        yield served


def jobs_of(served: Served) -> list[psutil.Process]:
    """The processes of a service's jobs: each leads a group of its own."""
    found = psutil.Process(served.process.pid).children(recursive=True)
    return [process for process in found if process.is_running() and os.getpgid(process.pid) == process.pid]


def ended(served: Served, job: Any) -> Any:
    def look() -> Any:
        found = served.job(job["id"])
        return found if found["state"] not in ("queued", "running") else None

    return wait_for(look)


def test_studies_wait_run_and_end(served: Served, folder: Path) -> None:
    first = served.post(quick_study("first"))
    second = served.post(quick_study("second"), priority=1)
    assert ended(served, second)["state"] == "done"
    assert ended(served, first)["state"] == "done"
    assert served.study("first")["trials"]["complete"] == 4
    assert "trial 0 (baseline fpn) complete" in served.log(first["id"])
    confirmed = served.http.post("/v1/studies/first/confirm", params={"top": 1, "seeds": 2}).json()
    assert ended(served, confirmed)["state"] == "done", served.log(confirmed["id"])
    assert served.http.get("/v1/studies/first/answer").json()["winner"]["trial"] >= 0
    with open_store(f"sqlite:///{folder}/nas.db", create=False) as store:
        assert store.study("first").text == quick_study("first")  # type: ignore[union-attr]


def test_a_study_that_fails_says_why_without_paths(served: Served, folder: Path) -> None:
    task = json.loads(quick_study("failing"))["task"] | {"options": {"fault": f"{folder}/data/cells has no images"}}
    found = ended(served, served.post(quick_study("failing", task=task)))
    assert (found["state"], found["error"]) == ("failed", "cells has no images")
    assert served.study("failing")["state"] == "failed"


def test_cancel_ends_a_study_within_seconds_and_keeps_what_finished(served: Served) -> None:
    running, waiting = served.post(quick_study("long", trials=12, pause=0.3)), served.post(quick_study("waiting"))
    wait_for(lambda: served.study("long").get("trials", {}).get("complete", 0) >= 2)
    cancelled = served.http.post("/v1/studies/waiting/cancel").json()
    assert cancelled == {"study": "waiting", "cancelled": [waiting["id"]]}
    assert served.job(waiting["id"])["state"] == "cancelled"
    assert served.http.post("/v1/studies/long/cancel").status_code == 200
    wait_for(lambda: served.job(running["id"])["state"] == "cancelled", seconds=15)
    kept = served.study("long")
    assert kept["state"] == "interrupted"
    assert kept["trials"]["complete"] >= 2
    assert jobs_of(served) == []
    assert served.http.post("/v1/studies/long/cancel").status_code == 409
    resumed = served.http.post("/v1/studies/long/resume", params={"trials": 5})
    assert resumed.status_code == 201
    assert ended(served, resumed.json())["state"] == "done"
    assert served.study("long")["trials"]["complete"] == 5


def test_a_service_that_is_killed_or_ends_leaves_no_process_and_the_next_goes_on(tmp_path: Path) -> None:
    url, job = f"sqlite:///{tmp_path}/nas.db", None
    for number, end in enumerate((Served.kill, Served.stop)):
        served = Served(url)
        job = job or served.post(quick_study("a", trials=8, pause=0.2))
        wait_for(lambda served=served, n=number: served.study("a").get("trials", {}).get("complete", 0) > 2 * n + 1)
        [process] = jobs_of(served)
        end(served)
        psutil.wait_procs([process], timeout=30)
        assert not process.is_running()
    with serving(url) as again:
        assert ended(again, job)["state"] == "done"
        found = again.study("a")
        assert (found["state"], found["trials"]["complete"], found["trials"]["running"]) == ("done", 8, 0)
        assert again.log(job["id"]).count("complete: ap") == 8


def test_a_job_whose_process_dies_is_started_again_then_given_up(served: Served) -> None:
    job = served.post(quick_study("dying", trials=8, pause=1.0))
    for _ in range(3):
        worker = wait_for(lambda: jobs_of(served))[0]
        wait_for(lambda: served.study("dying")["state"] == "running")
        os.kill(worker.pid, signal.SIGKILL)
        wait_for(lambda worker=worker: not worker.is_running())  # type: ignore[misc]
    found = ended(served, job)
    assert (found["state"], found["error"]) == ("failed", "the process of the job ended with signal 9")
    assert "it is started again" in served.log(job["id"])


STUDIES = 6
"""So many that each of two services comes to one, whatever else the machine does."""


@pytest.mark.postgres
def test_two_services_run_each_study_once(postgres_url: str, tmp_path: Path) -> None:
    words = ["--artifacts", tmp_path / "artifacts", "--jobs", "1"]
    with serving(postgres_url, *words) as one, serving(postgres_url, *words) as other:
        jobs = [one.post(quick_study(f"s{k}", trials=2)) for k in range(STUDIES)]
        for job in jobs:
            assert ended(other, job)["state"] == "done"
        begun = [line for line in [*one.said, *other.said] if "begins" in line]
        assert len(begun) == STUDIES
        assert all(any("begins" in line for line in service.said) for service in (one, other))
    with open_store(postgres_url, create=False) as store:
        for k in range(STUDIES):
            assert result(store, f"s{k}").trials.complete == 2
            launches = store.database.read(text(f"SELECT state FROM nas_launch WHERE study = 's{k}'"))
            assert [row.state for row in launches] == ["done"]
