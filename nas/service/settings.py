"""Settings: what the operator of a service chooses."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import nas
from nas.storage.address import Address

BODY_BYTES = 64 * 1024
"""Longest body of a request: a study file has a few kilobytes, and YAML is read slowly."""

BODY_SECONDS = 10.0
"""How long a body may take to arrive."""


@dataclass(frozen=True)
class Settings:
    """Settings of one service.

    Attributes:
        storage: URL of the study database.
        data_roots: folders below which posted studies may name data and checkpoints.
        artifacts: folder or URL for weights; None: beside a SQLite file.
        jobs: how many jobs run at a time; 0 runs none and only answers.
        address: of the Ray cluster that searches join; None: this machine.
        plugins: files that the operator loads, here and in each job.
        notify: URL prefixes that may be notified.
        notify_key: signs the messages.
        optuna_writes: whether Optuna's dashboard may change studies, by a token that may write.
        requests_per_minute: of one token, or of one address without a token.
    """

    storage: str = field(repr=False)
    data_roots: tuple[Path, ...] = ()
    artifacts: str | None = None
    jobs: int = 1
    address: str | None = None
    plugins: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    notify_key: str | None = field(default=None, repr=False)
    optuna_writes: bool = False
    requests_per_minute: int = 1200

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """The data roots with all links resolved."""
        return tuple(Path(os.path.realpath(root)) for root in self.data_roots)

    def may_notify(self, url: str) -> bool:
        """Whether a URL is below one of the allowed prefixes: the same scheme, host and port, and a path within."""
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or parts.username is not None or "\\" in url or ".." in parts.path:
            return False
        for prefix in map(urlsplit, self.notify):
            same = (parts.scheme, parts.hostname, parts.port) == (prefix.scheme, prefix.hostname, prefix.port)
            base = prefix.path.rstrip("/")
            if same and (parts.path == base or parts.path.startswith(f"{base}/")):
                return True
        return False

    def redact(self, text: str) -> str:
        """The text without this machine's paths and the database's URL: what a user may read of an error or a log."""
        for pattern, instead in self._hidden:
            text = pattern.sub(instead, text)
        return text

    @cached_property
    def _hidden(self) -> list[tuple[re.Pattern[str], str]]:
        """What must not be shown, the longest first, and what stands in its place."""
        address = Address.parse(self.storage)
        known: dict[str, str] = {address.name: "the study database", self.storage: "the study database"}
        if address.url.password:
            known[str(address.url.password)] = "***"
        if address.file is not None:
            known[str(address.file)] = "the study database"
            known[str(address.file.parent)] = "..."
        folders = [
            Path(nas.__file__).parents[1],
            Path(sys.prefix),
            Path.cwd(),
            Path(tempfile.gettempdir()),
            Path.home(),
        ]
        known |= {str(folder): "..." for folder in folders if len(folder.parts) > 1}
        known |= {self.artifacts: "the artifacts"} if self.artifacts else {}
        inside = [*self.data_roots, *self.roots, *(root.absolute() for root in self.data_roots)]
        found = [(re.compile(rf"{re.escape(str(root))}(?:/|(?![\w.-]))"), "") for root in inside]
        found += [(re.compile(re.escape(text)), instead) for text, instead in known.items()]
        return sorted(found, key=lambda pair: -len(pair[0].pattern))
