"""Live: what changes about a study while it waits and runs, as one value. A service sends it to whoever watches."""

from __future__ import annotations

import hashlib

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
