"""nas train: trains an exported architecture in full."""

from __future__ import annotations

import argparse

from nas.cli.output import say, show, split
from nas.exports import train
from nas.facts.tables import metric_lines


def run(args: argparse.Namespace) -> int:
    changes = {"epochs": args.epochs, "image_size": args.image_size, "device": args.device}
    written = train(
        args.directory,
        args.output,
        data=args.data,
        sets=[*args.sets, *(f"task.{key}={value}" for key, value in changes.items() if value is not None)],
        init=args.init,
        seed=args.seed,
        formats=split(args.format) or [],
        say=say,
    )
    lines = [
        f"trial {written['trial']} of {written['study']}, {written['epochs']} epochs:",
        *(f"  {line}" for line in metric_lines(written["metrics"])),
        f"written to {written['directory']}:",
        *(f"  {file}" for file in written["files"]),
    ]
    show(args, written, lines)
    return 0
