"""nas draw: draws a neck."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import configs
from nas.errors import UserError

HELP = "draw a neck as SVG"
EXAMPLE = "nas draw bifpn --set width=64 -o bifpn.svg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=configs.HELP)
    parser.add_argument("-o", "--output", metavar="FILE.svg", type=Path, help="file to write (default: stdout)")
    configs.add_source(parser)


def run(args: argparse.Namespace) -> int:
    from nas.necks.drawing import svg

    text = svg(configs.find_config(args.config, args.sets, args.storage).neck)
    if args.output is None:
        print(text, end="")
        return 0
    try:
        args.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{args.output} cannot be written: {error.strerror}") from None
    return 0
