"""Neural architecture search for feature pyramids.

Names are imported at their first use (PEP 562): `import nas` and the command line start without torch, optuna or ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.client import Client
    from nas.exports.evaluate import evaluate
    from nas.exports.loader import load
    from nas.exports.predict import predict
    from nas.exports.train import train
    from nas.exports.writer import export
    from nas.models import build, build_neck
    from nas.models.bodies import backbone
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
    name: module
    for module, names in {
        "nas.client": ("Client",),
        "nas.exports": ("evaluate", "export", "load", "predict", "train"),
        "nas.models": ("build", "build_neck"),
        "nas.models.bodies": ("backbone",),
        "nas.necks.presets": ("preset",),
        "nas.plugins": ("register",),
        "nas.search": ("FinishedTrial", "confirm", "launch"),
        "nas.search_space": ("Space",),
        "nas.storage.results": ("Result",),
        "nas.studies.metrics": ("Metric",),
        "nas.studies.spec": ("BackboneTask", "Budget", "DataSpec", "Objective", "TaskSpec", "Workers"),
        "nas.tasks.base": ("Task",),
        "nas.tasks.data.given": ("image_data",),
    }.items()
    for name in names
} | {"Study": "nas.studies.spec:StudySpec"}
"""Name -> the module that it is imported from, and its name there if that is another."""

__all__ = [
    "BackboneTask",
    "Budget",
    "Client",
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
    "backbone",
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
