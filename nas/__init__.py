"""Neural architecture search for feature pyramids.

Names are imported at their first use (PEP 562): `import nas` and the command line start without torch, optuna or ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.export import load
    from nas.models import build, build_neck
    from nas.necks.presets import preset
    from nas.search import launch

__version__ = "0.1.0"

_HOMES = {
    "preset": "nas.necks.presets",
    "build": "nas.models",
    "build_neck": "nas.models",
    "load": "nas.export",
    "launch": "nas.search",
}

__all__ = ["__version__", "build", "build_neck", "launch", "load", "preset"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
