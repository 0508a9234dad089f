"""nas dashboard: Optuna's dashboard on the study database."""

from __future__ import annotations

import argparse

from nas.cli import options

HELP = "serve Optuna's dashboard on the study database"
EXAMPLE = "nas dashboard --port 8080"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_storage(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", metavar="N", type=int, default=8080, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="let visitors change and delete studies")


def run(args: argparse.Namespace) -> int:
    from nas.service.dashboard import serve

    serve(args.storage, args.host, args.port, args.write)
    return 0
