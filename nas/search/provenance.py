"""provenance: where a study comes from, kept beside its spec."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from nas import __version__, plugins
from nas.search.setup import Setup

_PACKAGES = ("torch", "torchvision", "timm", "optuna", "ray", "faster-coco-eval", "numpy")


def provenance(setup: Setup) -> dict[str, Any]:
    """Versions, the machine, and what the spec was read as."""
    own = {"python": platform.python_version(), "pyramid-nas": __version__}
    facts = {
        "versions": own | {name: version(name) for name in _PACKAGES} | plugins.packages(),
        "machine": platform.node(),
        "platform": platform.platform(),
        "space": setup.space.to_dict(),
        "frame": setup.task.frame.model_dump(mode="json"),
    }
    return facts | ({"forecast": setup.forecast.to_dict()} if setup.forecast is not None else {})
