"""nas proxy: does a study's short training rank necks as the full one does?"""

from __future__ import annotations

import argparse

from nas.cli import options
from nas.errors import UserError

HELP = "prove or refute a study's proxy: train spread necks both ways and compare the rankings"
EXAMPLE = "nas proxy studies/bccd.yaml --set task.data.root=PATH --necks 24 --seeds 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_launched(parser)
    parser.add_argument("--necks", metavar="N", type=int, default=24, help="spread necks to train (default: 24)")
    parser.add_argument("--seeds", metavar="N", type=int, default=2, help="seeds to train each with (default: 2)")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    for name, value, least in (("necks", args.necks, 8), ("seeds", args.seeds, 1)):
        if value < least:
            raise UserError(f"--{name} {value}: it takes at least {least}")
    spec = options.sound(options.launched(args))
    from nas.cli.tables import certificate_lines
    from nas.proxy import certify

    found = certify(
        spec,
        storage=args.storage,
        artifacts=args.artifacts,
        necks=args.necks,
        seeds=args.seeds,
        say=options.say,
    )
    if args.json:
        options.print_json(found.model_dump(mode="json") | {"certified": found.certified})
    else:
        print(*certificate_lines(found), sep="\n")
    return 0
