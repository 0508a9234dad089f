"""What is going on with a study now."""

from __future__ import annotations

from nas.storage import Store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Job, Jobs, position
from nas.studies.live import Live, LiveJob


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
