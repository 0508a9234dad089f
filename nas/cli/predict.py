"""nas predict: finds objects in images, or classifies their pixels, with an exported model."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import options

HELP = "find objects in images with an exported model; prints boxes, or shares of the classes, as JSON"
EXAMPLE = "nas predict exports/quickstart image.png --draw pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `nas export` wrote")
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="an image file")
    about = "folder for pictures of the boxes, or for class maps and overlays"
    parser.add_argument("--draw", metavar="FOLDER", type=Path, help=about)
    about = "lowest score of a box (default: the export's score_threshold)"
    parser.add_argument("--threshold", metavar="SCORE", type=float, help=about)


def run(args: argparse.Namespace) -> int:
    from nas.exports import predict

    options.print_json({"images": predict(args.directory, args.images, args.threshold, args.draw)})
    return 0
