"""provenance: where a study comes from, kept beside its spec."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from nas import __version__, plugins
from nas.errors import UserError
from nas.search.setup import Setup
from nas.storage import StudyRecord
from nas.studies.metrics import identities
from nas.studies.spec import StudySpec

_PACKAGES = ("torch", "torchvision", "timm", "optuna", "ray", "faster-coco-eval", "numpy")


def check_code(known: StudyRecord, spec: StudySpec) -> None:
    """Check that the code of a study that is gone on with is the one that it began with.

    Raises:
        UserError: a plugin file is missing or has changed, or another function computes a metric.
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


def provenance(setup: Setup) -> dict[str, Any]:
    """Versions, the machine, and what the spec was read as."""
    versions = {"python": platform.python_version(), "pyramid-nas": __version__}
    facts: dict[str, Any] = {
        "versions": versions | {name: version(name) for name in _PACKAGES} | plugins.packages(),
        "machine": platform.node(),
        "platform": platform.platform(),
        "space": setup.space.to_dict(),
        "frame": setup.task.frame.model_dump(mode="json"),
    }
    files = [file._asdict() for file in plugins.loaded()]
    own = identities(setup.spec.metrics_needed)
    facts |= ({"plugins": files} if files else {}) | ({"metrics": own} if own else {})
    return facts | ({"forecast": setup.forecast.to_dict()} if setup.forecast is not None else {})
