from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from nas.errors import UserError
from nas.process import this_process
from nas.storage import Store, open_store
from nas.storage.job_log import JobLog, Notices
from nas.storage.jobs import Job, JobExists, Jobs, NewJob, position

ME = this_process()
DEAD = replace(ME, start="0")
ELSEWHERE = replace(ME, host="another.host")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as store:
        yield store


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs.of(store)


def new(study: str, **changes: object) -> NewJob:
    return NewJob.parse({"study": study, "text": "task: {}\n"} | changes)


def always(job: Job) -> bool:
    return True


def test_a_job_comes_back_as_it_was_posted(jobs: Jobs) -> None:
    posted = new("a", changes=["seed=1"], options={"top": 2}, priority=3, posted_by="t1", notify="https://x.test/")
    job = jobs.post(posted)
    assert NewJob.parse(job.model_dump(include=set(NewJob.model_fields))) == posted
    assert (job.state, job.attempts, job.stop_asked, job.error) == ("queued", 0, False, None)
    assert jobs.get(job.id) == job


def test_a_study_has_one_live_job_of_a_kind(jobs: Jobs) -> None:
    first = jobs.post(new("a"))
    with pytest.raises(JobExists, match="study 'a' has a search that waits or runs already"):
        jobs.post(new("a"))
    jobs.post(new("a", kind="proxy"))
    jobs.ask_to_stop(first.id)
    assert jobs.post(new("a")).state == "queued"


def test_jobs_are_claimed_by_priority_then_age(jobs: Jobs) -> None:
    low, early, late = jobs.post(new("a")), jobs.post(new("b", priority=5)), jobs.post(new("c", priority=5))
    assert [job.id for job in jobs.live()] == [early.id, late.id, low.id]
    assert position(low, jobs.live()) == 2
    claimed = [jobs.claim(ME, always) for _ in range(4)]
    assert [job and job.id for job in claimed] == [early.id, late.id, low.id, None]
    assert position(jobs.get(low.id), jobs.live()) is None


def test_jobs_of_a_study_run_one_after_another(jobs: Jobs) -> None:
    search = jobs.post(new("a"))
    proxy = jobs.post(new("a", kind="proxy", priority=9))
    first = jobs.claim(ME, always)
    assert first is not None
    assert (first.id, jobs.claim(ELSEWHERE, always)) == (search.id, None)
    jobs.end(search.id, ME, "done")
    second = jobs.claim(ELSEWHERE, always)
    assert second is not None
    assert second.id == proxy.id


def test_what_is_not_ready_waits(jobs: Jobs) -> None:
    jobs.post(new("a"))
    other = jobs.post(new("b"))
    claimed = jobs.claim(ME, lambda job: job.study == "b")
    assert claimed is not None
    assert claimed.id == other.id


def test_a_job_is_stopped_while_it_waits_and_while_it_runs(jobs: Jobs) -> None:
    waiting, running = jobs.post(new("a")), jobs.post(new("b", priority=1))
    jobs.claim(ME, always)
    assert jobs.ask_to_stop(waiting.id).state == "cancelled"
    assert jobs.ask_to_stop(running.id).state == "running"
    assert jobs.asked_to_stop(ME) == {running.id}
    assert jobs.asked_to_stop(ELSEWHERE) == set()
    with pytest.raises(UserError, match="is cancelled"):
        jobs.ask_to_stop(waiting.id)
    with pytest.raises(UserError, match="there is no job 99"):
        jobs.ask_to_stop(99)


@pytest.mark.parametrize(("owner", "recovered"), [(ME, False), (DEAD, True), (ELSEWHERE, False)])
def test_jobs_of_dead_services_are_queued_again(jobs: Jobs, owner: object, recovered: bool) -> None:
    job = jobs.post(new("a"))
    jobs.claim(owner, always)  # type: ignore[arg-type]
    assert jobs.recover() == ([job.id] if recovered else [])
    assert jobs.get(job.id).state == ("queued" if recovered else "running")


def test_a_service_elsewhere_is_dead_without_heartbeats(jobs: Jobs, store: Store) -> None:
    job = jobs.post(new("a"))
    jobs.claim(ELSEWHERE, always)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE nas_job SET heartbeat = '2020-01-01 00:00:00'")
    jobs.beat(ELSEWHERE)
    assert jobs.recover() == []
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE nas_job SET heartbeat = '2020-01-01 00:00:00'")
    assert jobs.recover() == [job.id]


def test_a_service_that_lost_a_job_ends_it_no_more(jobs: Jobs) -> None:
    job = jobs.post(new("a"))
    jobs.claim(DEAD, always)
    jobs.recover()
    jobs.claim(ME, always)
    jobs.end(job.id, DEAD, "failed", "too late")
    assert jobs.get(job.id).state == "running"
    jobs.requeue(job.id, ME, died=True)
    assert (jobs.get(job.id).state, jobs.get(job.id).attempts) == ("queued", 1)


def test_lines_are_numbered(jobs: Jobs, store: Store) -> None:
    log, job = JobLog.of(store), jobs.post(new("a"))
    log.append(job.id, ["one", "two"])
    log.append(job.id, ["three"])
    assert [(line.number, line.text) for line in log.lines(job.id, after=1)] == [(2, "two"), (3, "three")]
    assert (log.last(job.id), log.last(99)) == (3, 0)
    jobs.remove("a")
    assert (jobs.of_study("a"), log.lines(job.id)) == ([], [])


def test_a_notice_is_taken_once_and_tried_again(jobs: Jobs, store: Store) -> None:
    notices = Notices.of(store)
    silent, job = jobs.post(new("a")), jobs.post(new("b", notify="https://x.test/"))
    assert notices.take(timedelta(minutes=1)) is None
    for number in (silent.id, job.id):
        jobs.ask_to_stop(number)
    taken = notices.take(timedelta(minutes=1))
    assert taken is not None
    assert (taken[0].id, taken[1]) == (job.id, 0)
    assert notices.take(timedelta(minutes=1)) is None, "another service has it"
    notices.settle(job.id, timedelta(seconds=-1))
    again = notices.take(timedelta(minutes=1))
    assert again is not None
    assert again[1] == 1
    notices.settle(job.id, None)
    assert notices.take(timedelta(0)) is None
