"""nas eval: measures an exported model on a folder of images."""

from __future__ import annotations

import argparse

from nas.cli.output import say, show
from nas.exports import evaluate
from nas.facts.tables import metric_lines
from nas.tasks.data.classes import with_close


def run(args: argparse.Namespace) -> int:
    found = evaluate(args.directory, args.data, args.kind, args.split)
    if not args.json:
        for line in (*found["notes"], *found["faults"]):
            say(f"data: {line}")
        if found["absent"]:
            names = with_close(found["absent"], found["unknown"])
            say(f"data: no object of the class {names} in {args.split}: metrics are over the others")
        if found["unknown"]:
            say(f"data: objects of {', '.join(found['unknown'])} are left out: the export does not know them")
    title = f"{found['images']} images of {args.data} ({found['kind']}, {found['split']}):"
    show(args, found, [title, *metric_lines(found["metrics"])])
    return 0
