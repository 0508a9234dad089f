"""nas dashboard: Optuna's dashboard on the study database."""

from __future__ import annotations

import argparse

from nas.service import dashboard


def run(args: argparse.Namespace) -> int:
    dashboard.serve(args.storage, args.host, args.port, args.write)
    return 0
