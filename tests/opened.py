"""Tables as they were: what a test registers and loads is forgotten after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nas.plugins.files import PluginFile, _loaded, loaded
from nas.plugins.register import _seals
from nas.plugins.table import ADDED


def unload(file: PluginFile) -> None:
    """Forget a loaded file; its registrations stay."""
    _loaded.pop(file.sha256, None)
    sys.modules.pop(file.module, None)


@contextmanager
def restored() -> Iterator[None]:
    """Forget at the end what was added inside."""
    before = {table: dict(added) for table, added in ADDED.items()}
    try:
        yield
    finally:
        ADDED.update(before)
        for file in loaded():
            unload(file)
        _seals.clear()
