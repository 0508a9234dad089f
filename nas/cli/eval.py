"""nas eval: measures an exported model on a folder of images."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import options

HELP = "measure an exported model on a folder of annotated images"
EXAMPLE = "nas eval exports/bccd FOLDER --split val"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `nas export` wrote")
    parser.add_argument("data", metavar="DATA", help="a folder with the export's classes; digits: the embedded data")
    parser.add_argument("--kind", help="its kind, such as voc, coco, yolo, masks (default: guessed)")
    parser.add_argument("--split", choices=["val", "train"], default="val", help="its part (default: %(default)s)")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.cli.tables import metric_lines
    from nas.exports import evaluate
    from nas.tasks.data.occurrence import with_close

    found = evaluate(args.directory, args.data, args.kind, args.split)
    if not args.json:
        for line in (*found["notes"], *found["faults"]):
            options.say(f"data: {line}")
        if found["absent"]:
            names = with_close(found["absent"], found["unknown"])
            options.say(f"data: no object of the class {names} in {args.split}: metrics are over the others")
        if found["unknown"]:
            options.say(f"data: objects of {', '.join(found['unknown'])} are left out: the export does not know them")
    title = f"{found['images']} images of {args.data} ({found['kind']}, {found['split']}):"
    options.show(args, found, [title, *metric_lines(found["metrics"])])
    return 0
