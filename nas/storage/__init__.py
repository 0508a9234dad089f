"""The study database: `open_store` gives a Store of studies, evaluations, attempts and artifacts."""

from nas.storage.lease import Lease
from nas.storage.records import ArtifactRecord, AttemptRecord, Ending, StudyRecord, StudyState, TrialRecord
from nas.storage.store import Store, known_study, open_store

__all__ = [
    "ArtifactRecord",
    "AttemptRecord",
    "Ending",
    "Lease",
    "Store",
    "StudyRecord",
    "StudyState",
    "TrialRecord",
    "known_study",
    "open_store",
]
