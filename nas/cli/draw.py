"""nas draw: a neck as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import options
from nas.errors import UserError

HELP = "draw a neck as SVG"
EXAMPLE = "nas draw bifpn --set width=64 -o bifpn.svg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="an export, a file of an architecture or neck, or a preset")
    parser.add_argument("-o", "--output", metavar="FILE.svg", type=Path, help="file to write (default: stdout)")
    options.add_set(parser)


def run(args: argparse.Namespace) -> int:
    from nas.cli.configs import neck_of
    from nas.drawing import svg

    text = svg(neck_of(args.config, args.sets))
    if args.output is None:
        print(text, end="")
        return 0
    try:
        args.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{args.output} cannot be written: {error.strerror}") from None
    return 0
