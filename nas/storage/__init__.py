"""The study database.

`store` is the entry: studies, evaluations, attempts, latencies, certificates and artifacts, as values. `artifacts`
writes and deletes weight files, `lease` keeps two drivers from one study, `attributes` types what is written beside
Optuna's trials, `results` reads what a study has found. Only this room knows SQL.
"""

from nas.storage.lease import Lease
from nas.storage.records import AttemptRecord, Ending, StudyRecord, StudyState, TrialRecord
from nas.storage.store import Store, check_writable, known_study, open_store

__all__ = [
    "AttemptRecord",
    "Ending",
    "Lease",
    "Store",
    "StudyRecord",
    "StudyState",
    "TrialRecord",
    "check_writable",
    "known_study",
    "open_store",
]
