"""nas launch: runs a search, or continues one."""

from __future__ import annotations

import argparse

from nas.cli import options

HELP = "run a search, or continue one that was launched before"
EXAMPLE = "nas launch studies/bccd.yaml --set task.data.root=PATH --trials 16"

STATUS = {"done": 0, "exhausted": 0, "failed": 1, "interrupted": 130}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_launched(parser)
    parser.add_argument("--trials", metavar="N", help="number of trials, with those of earlier launches")
    parser.add_argument("--dry-run", action="store_true", help="report what would be done, and do nothing")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    file = options.launched(args, *([f"budget.trials={args.trials}"] if args.trials is not None else []))
    if args.dry_run:
        from nas.search import plan

        planned = plan(file, args.storage, options.say)
        options.show(args, planned.to_dict(), planned.lines())
        return 0
    from nas.cli.tables import result_lines
    from nas.search import launch

    result = launch(file, storage=args.storage, artifacts=args.artifacts, say=options.say)
    options.show(args, result.to_json(), result_lines(result))
    return STATUS[result.state]
