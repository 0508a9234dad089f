"""nas draw: draws a neck."""

from __future__ import annotations

import argparse

from nas.cli.configs import find_config
from nas.errors import UserError
from nas.necks.drawing import svg


def run(args: argparse.Namespace) -> int:
    text = svg(find_config(args.config, args.sets, args.storage).neck)
    if args.output is None:
        print(text, end="")
        return 0
    try:
        args.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{args.output} cannot be written: {error.strerror}") from None
    return 0
