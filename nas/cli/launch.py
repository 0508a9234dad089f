"""nas launch: run a search, or go on with one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nas.cli import options

if TYPE_CHECKING:
    from nas.studies.catalog import StudyFile

HELP = "run a search, or continue one that was launched before"
EXAMPLE = "nas launch studies/bccd.yaml --set task.data.root=PATH --trials 16"

STATUS = {"done": 0, "exhausted": 0, "failed": 1, "interrupted": 130}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_launched(parser)
    parser.add_argument("--trials", metavar="N", help="architectures to train, earlier launches included")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    file = options.launched(args, *([f"budget.trials={args.trials}"] if args.trials is not None else []))
    if args.dry_run:
        return _dry_run(file, args.storage, args.json)
    from nas.cli.tables import result_lines
    from nas.search import launch

    result = launch(file, storage=args.storage, artifacts=args.artifacts, say=options.say)
    if args.json:
        options.print_json(result.to_json())
    else:
        print(*result_lines(result), sep="\n")
    return STATUS[result.state]


def _dry_run(file: StudyFile, storage: str, as_json: bool) -> int:
    from nas.search import plan

    planned = plan(file, storage, options.say)
    if as_json:
        options.print_json(planned.to_dict())
    else:
        print(*planned.lines(), sep="\n")
    return 0
