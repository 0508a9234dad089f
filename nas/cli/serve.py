"""nas serve: the HTTP service."""

from __future__ import annotations

import argparse
import os

from nas.errors import UserError

SECRETS = ("NAS_DEVICE_TOKEN", "NAS_NOTIFY_KEY", "NAS_STORAGE", "NAS_TOKEN")
"""Variables with secrets. The service has read them; a posted study could send the token of a device anywhere."""


def run(args: argparse.Namespace) -> int:
    from nas.service.serve import serve
    from nas.service.settings import Settings
    from nas.storage.artifacts import artifacts_folder

    for root in args.data_roots:
        if not root.is_dir():
            raise UserError(f"--data-root {root}: there is no such folder")
    key = os.environ.get("NAS_NOTIFY_KEY") or None
    for secret in SECRETS:  # so that no job has them
        os.environ.pop(secret, None)
    settings = Settings(
        storage=args.storage,
        data_roots=tuple(root.absolute() for root in args.data_roots),
        artifacts=artifacts_folder(args.artifacts),
        jobs=args.jobs,
        address=args.address,
        plugins=tuple(os.path.abspath(path) for path in args.plugins),
        notify=tuple(args.notify),
        notify_key=key,
        optuna_writes=args.optuna_writes,
        requests_per_minute=args.rate,
    )
    serve(settings, args.host, args.port)
    return 0
