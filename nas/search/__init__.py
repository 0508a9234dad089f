"""The search for a neck: Optuna decides, an executor trains, and every result is recorded before it is told.

`driver` is a launch from spec to result; `setup`, `checks`, `constraints` and `baselines` come before anything is
written; `loop` asks, submits, records and tells, with what `running`, `unseen`, `ledger` and `keeper` know; `samplers`
and `pruners` are Optuna's by name; `narrator`, `notes` and `figures` tell people.
"""

from nas.search.driver import launch, plan

__all__ = ["launch", "plan"]
