"""nas serve: the HTTP service."""

from __future__ import annotations

import argparse
import os

from nas.errors import UserError


def run(args: argparse.Namespace) -> int:
    from nas.service.serve import serve
    from nas.service.settings import Settings
    from nas.storage.artifacts import artifacts_folder

    for root in args.data_roots:
        if not root.is_dir():
            raise UserError(f"--data-root {root}: there is no such folder")
    settings = Settings(
        storage=args.storage,
        data_roots=tuple(root.absolute() for root in args.data_roots),
        artifacts=artifacts_folder(args.artifacts),
        jobs=args.jobs,
        address=args.address,
        plugins=tuple(os.path.abspath(path) for path in args.plugins),
        notify=tuple(args.notify),
        notify_key=os.environ.get("NAS_NOTIFY_KEY") or None,
        optuna_writes=args.optuna_writes,
    )
    serve(settings, args.host, args.port)
    return 0
