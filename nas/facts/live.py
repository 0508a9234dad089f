"""Live: what changes about a study while it waits and runs, as one value."""

from __future__ import annotations

import hashlib

from nas.storage import Store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Job, Jobs, position
from nas.studies.progress import LaunchProgress
from nas.value import Value


class LiveJob(Value):
    """The latest job of a study. `position` is how many wait before it; `lines` the number of the log's last line."""

    id: int
    kind: str
    state: str
    position: int | None
    error: str | None
    lines: int


class Live(Value):
    """All that changes about a study.

    Attributes:
        state: of its latest launch; that of its job where there was none yet.
        job: its latest job, if it came through the queue.
        progress: what its launch does or did last.
    """

    study: str
    state: str
    job: LiveJob | None
    progress: LaunchProgress | None

    @property
    def digest(self) -> str:
        """Two equal values have the same one, in any process."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def live(store: Store, name: str) -> Live | None:
    """What is going on with a study; None if there is none of that name."""
    record, jobs = store.study(name), Jobs.of(store)
    latest: Job | None = next(iter(reversed(jobs.of_study(name))), None)
    if record is None and latest is None:
        return None
    job = None
    if latest is not None:
        ahead = position(latest, jobs.live()) if latest.state == "queued" else None
        facts = {"id": latest.id, "kind": latest.kind, "state": latest.state, "error": latest.error}
        job = LiveJob.model_validate(facts | {"position": ahead, "lines": JobLog.of(store).last(latest.id)})
    state = record.state if record is not None else latest.state if latest is not None else ""
    return Live(study=name, state=state, job=job, progress=store.progress(name) if record is not None else None)
