"""provenance: what a study began with. It is recorded with the study, and checked when the study is resumed."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from nas import __version__, plugins
from nas.errors import Fault, SpecError, UserError
from nas.search.setup import Setup
from nas.storage import StudyRecord
from nas.studies.metrics import FORECASTS, identities
from nas.studies.spec import RESUMABLE, StudySpec
from nas.value import flat

_PACKAGES = ("torch", "torchvision", "timm", "optuna", "ray", "faster-coco-eval", "numpy")


def provenance(setup: Setup) -> dict[str, Any]:
    """Versions, the machine, the search space, and what else the study depends on."""
    versions = {"python": platform.python_version(), "pyramid-nas": __version__}
    optional = {
        "plugins": [file._asdict() for file in plugins.loaded()],
        "metrics": identities(setup.spec.metrics_needed),
        "forecast": setup.forecast.to_dict() if setup.forecast is not None else {},
    }
    return {
        "versions": versions | {name: version(name) for name in _PACKAGES} | plugins.packages(),
        "machine": platform.node(),
        "platform": platform.platform(),
        "space": setup.space.to_dict(),
        "frame": setup.task.frame.to_dict(),
    } | {key: value for key, value in optional.items() if value}


def with_first_device(known: StudyRecord, spec: StudySpec) -> StudySpec:
    """The spec of a study that is resumed; without GPUs if it began without, where it asks for `auto`."""
    if spec.workers.gpus != "auto" or known.spec.workers.gpus:
        return spec
    return spec.model_copy(update={"workers": spec.workers.model_copy(update={"gpus": 0.0})})


def check_spec(known: StudyRecord, spec: StudySpec) -> None:
    """Check that a study that is resumed has the code and the settings that it began with.

    Raises:
        UserError: a plugin file is missing or has changed, or another function computes a metric.
        SpecError: settings differ.
    """
    began = f"study {known.name!r} began"
    now = {file.name: file.sha256 for file in plugins.loaded()}
    for file in known.provenance.get("plugins", ()):
        name = file["name"]
        if name not in now:
            raise UserError(f"{began} with the plugin {name}: give it again, as --plugin {name} or plugins=[...]")
        if now[name] != file["sha256"]:
            raise UserError(f"the plugin {name} has changed since {began}; launch it under another --name")
    before, after = known.provenance.get("metrics", {}), identities(spec.metrics_needed)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            raise UserError(
                f"the code of metric {name} has changed since {began} ({before.get(name, 'none')}, now "
                f"{after.get(name, 'none')}); launch it under another --name"
            )
    faults = differences(known.spec, spec)
    if faults:
        raise SpecError(f"study {known.name!r} cannot resume with other settings (give it another --name)", faults)


def check_setup(known: StudyRecord, setup: Setup) -> None:
    """Check that a study that is resumed has the search space and the task that it began with.

    Raises:
        UserError: what has changed.
    """
    began = f"changed since study {known.name!r} began"
    if known.provenance["space"] != setup.space.to_dict():
        raise UserError(f"search space {setup.space.name!r} has {began}; launch it under another --name")
    if known.spec.workers.gpus and not setup.spec.workers.gpus and known.task != setup.task.fingerprint:
        raise UserError(
            f"study {known.name!r} began on GPUs, and its workers have none now: give them some, with --address"
        )
    if known.task != setup.task.fingerprint:
        raise UserError(
            f"data, weights or evaluator have {began} (task {known.task}, now {setup.task.fingerprint}), so that its "
            "trials could not be compared; launch it under another --name"
        )


def differences(old: StudySpec, new: StudySpec) -> list[Fault]:
    """Keys in which a resumed study differs from what it was, except those that may change."""
    forecasting = any(o.metric in FORECASTS for o in old.objectives)  # of the full training that it began with
    may = {*RESUMABLE, "name"} - ({"full"} if forecasting else set())
    before, after = (flat(spec.model_dump(mode="json", exclude_none=True)) for spec in (old, new))
    return [
        Fault(path, f"is {before.get(path)!r} in the database, {after.get(path)!r} now")
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and path.split(".")[0] not in may
    ]
