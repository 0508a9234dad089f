"""nas train: trains an exported architecture in full."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli import options

HELP = "train an exported architecture in full, or continue such a training; the result is an export again"
EXAMPLE = "nas train exports/bccd -o trained/bccd --epochs 300 --image-size 640"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `nas export` or `nas train` wrote")
    about = "folder to write; if it holds this training, that continues"
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help=about)
    parser.add_argument("--data", metavar="FOLDER", help="other data; digits: the embedded ones (default: the study's)")
    parser.add_argument("--epochs", metavar="N", help="length (default: the study's full training)")
    parser.add_argument("--image-size", metavar="PIXELS", help="side of the images (default: the study's)")
    about = "start from the backbone's weights alone, or fine-tune all weights of the export (default: %(default)s)"
    parser.add_argument("--init", choices=["backbone", "weights"], default="backbone", help=about)
    parser.add_argument("--seed", metavar="N", type=_seed, default=0, help="seed of the random start (default: 0)")
    about = "device to train on (default: the study's)"
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help=about)
    about = "what to write beside config and weights: python, onnx, onnx-nms, pt2"
    parser.add_argument("--format", metavar="A,B", help=about)
    options.add_set(parser, "change a value of the task, written in YAML; may be repeated", "task.KEY=VALUE")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.cli.tables import metric_lines
    from nas.exports import train

    changes = {"epochs": args.epochs, "image_size": args.image_size, "device": args.device}
    written = train(
        args.directory,
        args.output,
        data=args.data,
        sets=[*args.sets, *(f"task.{key}={value}" for key, value in changes.items() if value is not None)],
        init=args.init,
        seed=args.seed,
        formats=options.split(args.format) or [],
        say=options.say,
    )
    lines = [
        f"trial {written['trial']} of {written['study']}, {written['epochs']} epochs:",
        *(f"  {line}" for line in metric_lines(written["metrics"])),
        f"written to {written['directory']}:",
        *(f"  {file}" for file in written["files"]),
    ]
    options.show(args, written, lines)
    return 0


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"should be a whole number from 0 to {2**31 - 1}, not {text}")
    return int(text)
