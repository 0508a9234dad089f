"""The study database.

`store` is the entry: studies, evaluations, attempts, latencies, certificates and artifacts, as values. `artifacts`
writes and deletes weight files, `lease` keeps two drivers from one study, `attributes` types what is written beside
Optuna's trials, `results` reads what a study has found. `patience` waits for a database that is away, for us and in
`optuna_storage` for Optuna; `fence` keeps a driver that lost its lease from writing. Only this room knows SQL.
"""

from nas.storage.lease import Lease
from nas.storage.look import check_writable, known_study
from nas.storage.records import AttemptRecord, Ending, StudyRecord, StudyState, TrialRecord
from nas.storage.store import Store, open_store

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
