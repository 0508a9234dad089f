"""nas confirm: the best of a study that is done, trained in full with several seeds and compared with the baselines."""

from __future__ import annotations

import argparse

from nas.cli import options

HELP = "train the best of a study in full, with several seeds, and compare them with the baselines"
EXAMPLE = "nas confirm quickstart --top 1 --seeds 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_launched(parser)
    parser.add_argument("--top", metavar="K", type=int, default=3, help="how many of the best trials (default: 3)")
    parser.add_argument("--seeds", metavar="S", type=int, default=3, help="trainings of each (default: 3)")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.cli.launch import STATUS
    from nas.cli.tables import result_lines
    from nas.search import confirm

    file = options.launched(args)
    asked = {"top": args.top, "seeds": args.seeds, "storage": args.storage, "artifacts": args.artifacts}
    result = confirm(file, **asked, say=options.say)
    if args.json:
        options.print_json(result.to_json())
    else:
        print(*result_lines(result), sep="\n")
    return STATUS[result.state]
