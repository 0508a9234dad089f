"""The search for a neck: Optuna decides, an executor trains, and every result is recorded before Optuna gets it.

`driver` is a launch from spec to result. `checks`, `setup`, `constraints`, `baselines` and `certification` come before
anything is written. `loop` asks and reports; `promotion` and its `ladder` decide which trainings go on, `finalists` and
`gains` what is compared at the end; `dispatcher` submits, retries and records, for certificates too; `ledger`
knows what became of each trial, `retention` which weight files stay. `samplers` and `pruners` are Optuna's by name, and
only `optuna_adapter` touches Optuna's private interfaces. People read what `reporter`, `notes` and `summary` write.
"""

from nas.search.driver import confirm, launch, plan
from nas.search.objects import FinishedTrial

__all__ = ["FinishedTrial", "confirm", "launch", "plan"]
