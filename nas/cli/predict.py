"""nas predict: finds objects in images, or classifies their pixels, with an exported model."""

from __future__ import annotations

import argparse

from nas.cli.output import print_json
from nas.exports import predict


def run(args: argparse.Namespace) -> int:
    print_json({"images": predict(args.directory, args.images, args.threshold, args.draw)})
    return 0
