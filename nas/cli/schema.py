"""nas schema: prints what a study file or a search space file may hold, for editors."""

from __future__ import annotations

import argparse
import json

HELP = "print the JSON Schema of a study file or a search space file"
EXAMPLE = "nas schema study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = ("study", "space")
    about = "what the file holds (default: study)"
    parser.add_argument("kind", metavar="study|space", nargs="?", choices=kinds, default="study", help=about)


def run(args: argparse.Namespace) -> int:
    from nas.studies.schema import SCHEMAS

    print(json.dumps(SCHEMAS[args.kind](), indent=2, ensure_ascii=False))
    return 0
