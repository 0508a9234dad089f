"""The search for a neck: Optuna decides, an executor trains, and every result is recorded before Optuna hears of it.

`driver` is a launch from spec to result. Before anything is written come `checks`, `setup`, `constraints`, `baselines`
and `certification`. `loop` asks and reports; `dispatcher` submits, retries and records, for certificates too; `ledger`
knows what became of each trial, `retention` which weight files stay. `samplers` and `pruners` are Optuna's by name, and
`optuna_adapter` is the only module that touches Optuna's private interfaces. `reporter`, `notes`, `figures` and
`summary` are what people read.
"""

from nas.search.driver import launch, plan
from nas.search.objects import FinishedTrial

__all__ = ["FinishedTrial", "launch", "plan"]
