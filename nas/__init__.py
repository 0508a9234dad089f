"""Neural architecture search for feature pyramids.

Names are imported at their first use (PEP 562): `import nas` and the command line start without torch, optuna or ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.exports.evaluate import evaluate
    from nas.exports.loader import load
    from nas.exports.predict import predict
    from nas.exports.train import train
    from nas.exports.writer import export
    from nas.models import build, build_neck
    from nas.necks.presets import preset
    from nas.plugins import register
    from nas.search import FinishedTrial, confirm, launch
    from nas.search_space import Space
    from nas.storage.results import Result
    from nas.studies.metrics import Metric
    from nas.studies.spec import BackboneTask, Budget, DataSpec, Objective, TaskSpec, Workers
    from nas.studies.spec import StudySpec as Study
    from nas.tasks.base import Task
    from nas.tasks.data.given import image_data

__version__ = "0.1.0"

_HOMES = {
    "BackboneTask": "nas.studies.spec",
    "Budget": "nas.studies.spec",
    "DataSpec": "nas.studies.spec",
    "FinishedTrial": "nas.search",
    "Metric": "nas.studies.metrics",
    "Objective": "nas.studies.spec",
    "Result": "nas.storage.results",
    "Space": "nas.search_space",
    "Study": "nas.studies.spec:StudySpec",
    "Task": "nas.tasks.base",
    "TaskSpec": "nas.studies.spec",
    "Workers": "nas.studies.spec",
    "build": "nas.models",
    "build_neck": "nas.models",
    "confirm": "nas.search",
    "evaluate": "nas.exports",
    "export": "nas.exports",
    "image_data": "nas.tasks.data.given",
    "launch": "nas.search",
    "load": "nas.exports",
    "predict": "nas.exports",
    "preset": "nas.necks.presets",
    "register": "nas.plugins",
    "train": "nas.exports",
}
"""Name -> the module it comes from, and its name there where that is another."""

__all__ = [
    "BackboneTask",
    "Budget",
    "DataSpec",
    "FinishedTrial",
    "Metric",
    "Objective",
    "Result",
    "Space",
    "Study",
    "Task",
    "TaskSpec",
    "Workers",
    "__version__",
    "build",
    "build_neck",
    "confirm",
    "evaluate",
    "export",
    "image_data",
    "launch",
    "load",
    "predict",
    "preset",
    "register",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
