"""stamp: a study's state in a few words. While it is the same, the parts of the study's page are."""

from __future__ import annotations

from collections.abc import Hashable

from nas.facts.live import live
from nas.storage import Store
from nas.storage.records import StudyRecord
from nas.studies.live import Live


def stamp(store: Store, record: StudyRecord, *, epochs: bool = False) -> Hashable:
    """Changes when a trial ends, or a launch or a job begins or ends.

    Args:
        store: the database.
        record: the study.
        epochs: whether it changes with each epoch of what runs, too.
    """
    found = live(store, record.name)
    now, job = (found.progress, found.job) if found is not None else (None, None)
    parts: list[Hashable] = [store.database.name, record.state, record.created]
    parts += [job.id, job.state] if job is not None else []
    parts += [now.trained, now.failed, now.stage] if now is not None else []
    if record.state != "running":
        parts.append(record.seconds)
    elif epochs and now is not None:
        parts += [(run.name, run.epoch) for run in now.runs]
    return tuple(parts)


def state_of(study: str, job: str | None) -> str:
    """The state that users see: that of a job comes before what its study was, unless a launch runs elsewhere."""
    if job in ("queued", "running") or (job in ("failed", "cancelled") and study != "running"):
        return job
    return study


def shown_state(found: Live) -> str:
    """`state_of` for what is live about a study."""
    return state_of(found.state, found.job.state if found.job is not None else None)
