"""stamp: a study's state in a few words. While it is the same, the parts of the study's page are."""

from __future__ import annotations

from collections.abc import Hashable

from nas.facts.live import Live, live
from nas.storage import Store
from nas.storage.records import StudyRecord


def stamp(store: Store, record: StudyRecord, *, epochs: bool = False) -> Hashable:
    """Changes when a trial ends, or a launch or a job begins or ends.

    Args:
        store: the database.
        record: the study.
        epochs: whether it changes with each epoch of what runs, too.
    """
    found = live(store, record.name)
    now, job = (found.progress, found.job) if found is not None else (None, None)
    parts: list[Hashable] = [store._database.name, record.state, record.created]
    parts += [job.id, job.state] if job is not None else []
    parts += [now.trained, now.failed, now.stage] if now is not None else []
    if record.state != "running":
        parts.append(record.seconds)
    elif epochs and now is not None:
        parts += [(run.name, run.epoch) for run in now.runs]
    return tuple(parts)


def state_of(found: Live) -> str:
    """The state that users see: a job that waits or runs comes before what its study was."""
    if found.job is not None and found.job.state in ("queued", "running"):
        return found.job.state
    if found.job is not None and found.job.state in ("failed", "cancelled") and found.state != "running":
        return found.job.state
    return found.state
