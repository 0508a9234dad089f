"""stamp: a study's state in a few words. While it is the same, the parts of the study's page are."""

from __future__ import annotations

from collections.abc import Hashable

from nas.facts.live import live
from nas.service.pages.cache import Stamp
from nas.storage import Store
from nas.storage.records import StudyRecord
from nas.studies.live import Live


def stamp(store: Store, record: StudyRecord, *, epochs: bool = False) -> Stamp:
    """The stamp of a study.

    Args:
        store: the database.
        record: the study.
        epochs: whether its progress changes with each epoch of what runs, too.
    """
    found = live(store, record.name)
    now, job = (found.progress, found.job) if found is not None else (None, None)
    state: list[Hashable] = [record.state, record.created, job and (job.id, job.state)]
    if record.state != "running":
        state.append(record.seconds)
    if now is None:
        return Stamp(tuple(state))
    runs = [(run.name, run.epoch) for run in now.runs] if epochs and record.state == "running" else []
    return Stamp((*state, now.stage), (now.trained, now.failed, *runs))


def state_of(study: str, job: str | None) -> str:
    """The state that users see: that of a job comes before what its study was, unless a launch runs elsewhere."""
    if job in ("queued", "running") or (job in ("failed", "cancelled") and study != "running"):
        return job
    return study


def shown_state(found: Live) -> str:
    """`state_of` for what is live about a study."""
    return state_of(found.state, found.job.state if found.job is not None else None)
