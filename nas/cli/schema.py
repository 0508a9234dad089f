"""nas schema: what a study file or a search space file may hold, for editors."""

from __future__ import annotations

import argparse
import json

HELP = "print the JSON Schema of a study file or a search space file"
EXAMPLE = "nas schema study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kind",
        metavar="study|space",
        nargs="?",
        choices=("study", "space"),
        default="study",
        help="what the file holds (default: study)",
    )


def run(args: argparse.Namespace) -> int:
    from nas.studies.schema import SCHEMAS

    print(json.dumps(SCHEMAS[args.kind](), indent=2, ensure_ascii=False))
    return 0
