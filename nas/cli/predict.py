"""nas predict: boxes or class maps that an exported model finds."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import options

HELP = "find objects in images with an exported model; boxes, or shares of the classes, are printed as JSON"
EXAMPLE = "nas predict exports/quickstart image.png --draw pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `nas export` wrote")
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="an image file")
    parser.add_argument(
        "--draw",
        metavar="FOLDER",
        type=Path,
        help="write the images with their boxes, or class maps and overlays, here",
    )
    parser.add_argument("--threshold", metavar="SCORE", type=float, help="lowest score kept (default: the export's)")


def run(args: argparse.Namespace) -> int:
    from nas.exports import predict

    options.print_json({"images": predict(args.directory, args.images, args.threshold, args.draw)})
    return 0
