"""The search for a neck: Optuna decides, an executor trains, and every result is recorded before Optuna gets it.

`driver` is a launch from spec to result. `checks`, `setup`, `constraints`, `baselines` and `certification` come before
anything is written. `loop` asks and reports; `promotion` and its `ladder` decide which trainings go on, `finalists` and
`gains` what is compared at the end; `dispatcher` submits, retries and records, for certificates too; `ledger`
knows what became of each trial, `retention` which weight files stay. `samplers` and `pruners` are Optuna's by name, and
only `optuna_adapter` touches Optuna's private interfaces. People read what `reporter`, `notes` and `summary` write.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.search.driver import confirm, launch, plan
    from nas.search.objects import FinishedTrial

_HOMES = {"confirm": "driver", "launch": "driver", "plan": "driver", "FinishedTrial": "objects"}
"""Name -> its module. Imported at the first use: what only reads a study needs neither torch nor Ray."""

__all__ = ["FinishedTrial", "confirm", "launch", "plan"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"nas.search.{_HOMES[name]}"), name)
