"""nas export: writes a trained architecture as files that can be used elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import options

HELP = "export a trained architecture: its config, weights, code, ONNX"
EXAMPLE = "nas export quickstart -o exports/quickstart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_study(parser)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder to write")
    about = "number of the trial (default: the best by the first objective)"
    parser.add_argument("--trial", metavar="N", type=int, help=about)
    about = "what to write: config, weights, python, onnx, onnx-nms, pt2 (default: config, weights, and the study's)"
    parser.add_argument("--format", metavar="A,B", help=about)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.exports import export_study
    from nas.storage import open_store

    with open_store(args.storage, create=False) as store:
        name = options.study_name(store, args)
        written = export_study(store, name, args.output, args.trial, options.split(args.format))
    title = f"trial {written['trial']} of {written['study']}, written to {written['directory']}:"
    options.show(args, written, [title, *(f"  {file}" for file in written["files"])])
    return 0
