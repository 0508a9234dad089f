"""What the verbs of the command line share: their table, and the arguments that several of them take."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

DEFAULT_STORAGE = "sqlite:///nas.db"
TARGETS = ("torch-cpu", "torch-cuda", "onnxruntime", "onnxruntime-int8", "openvino", "openvino-int8")

IMAGE_SIZE = 640
"""Default of `nas cost` and `nas diff` in pixels: the usual size of COCO's detectors."""


class Verb(NamedTuple):
    """What a verb does, an example, and a function that adds its arguments to a parser.

    The module of its name has `run(args)`, which does the work and returns the exit status.
    """

    help: str
    example: str
    add: Callable[[ArgumentParser], None]


REMOTE = ("launch", "ls", "show", "watch", "export", "stop")
"""Verbs that a service can be asked for, by `nas --server URL VERB`."""

VERBS: dict[str, Verb] = {}


def add_storage(parser: ArgumentParser) -> None:
    about = f"the study database (default: NAS_STORAGE, else {DEFAULT_STORAGE})"
    default = os.environ.get("NAS_STORAGE") or DEFAULT_STORAGE
    parser.add_argument("--storage", metavar="URL", default=default, help=about)


def add_set(parser: ArgumentParser, what: str = "a value of the study file", metavar: str = "KEY.PATH=VALUE") -> None:
    about = f"change {what}, written in YAML; may be repeated"
    parser.add_argument("--set", dest="sets", metavar=metavar, action="append", default=[], help=about)


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def add_study(parser: ArgumentParser) -> None:
    """Arguments of verbs that read a study of the database."""
    parser.add_argument("study", metavar="STUDY", help="a study in the database by name, or its file")
    add_storage(parser)
    add_set(parser)
    add_json(parser)


def add_launched(parser: ArgumentParser) -> None:
    """Arguments of verbs that train necks."""
    parser.add_argument("study", metavar="STUDY", help="a study file, shipped or yours, or a study in the database")
    add_storage(parser)
    about = "where weights are stored: a folder, or a URL such as s3://bucket/prefix (default: beside the SQLite file)"
    parser.add_argument("--artifacts", metavar="DIR", help=about)
    parser.add_argument("--name", help="name of the study (default: the file's)")
    parser.add_argument("--workers", metavar="N", help="number of trials at a time")
    parser.add_argument("--executor", metavar="ray|local", help="where trials run; local: in this process, to debug")
    parser.add_argument("--address", metavar="ADDR", help="a running Ray cluster to join: auto, or host:port")
    parser.add_argument("--dry-run", action="store_true", help="report what would be done, and do nothing")
    add_set(parser)
    add_json(parser)


def add_log(parser: ArgumentParser) -> None:
    about = "how progress is shown: a live view in a terminal, else lines (auto); lines; json, an object a line"
    parser.add_argument("--log", choices=["auto", "lines", "json"], default="auto", help=about)


def add_sink(parser: ArgumentParser) -> None:
    about = "a tracker that gets the trainings as they run: tensorboard:FOLDER or mlflow:URI; may be repeated"
    parser.add_argument("--sink", dest="sinks", metavar="NAME:PLACE", action="append", default=[], help=about)


def add_export(parser: ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `nas export` or `nas train` wrote")


def add_config(parser: ArgumentParser) -> None:
    """Options of verbs that read a CONFIG."""
    add_storage(parser)
    add_set(parser, "an option of the preset, such as width=64", "OPTION=VALUE")


def add_costs(parser: ArgumentParser) -> None:
    """Options of verbs that compute costs."""
    about = f"side of the images (default: {IMAGE_SIZE})"
    parser.add_argument("--image-size", metavar="PIXELS", type=whole_number(16, 8192), help=about)
    parser.add_argument("--backbone", metavar="NAME", help="timm backbone for a preset or neck (default: plain)")
    add_config(parser)
    add_json(parser)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A type of arguments."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"should be a whole number from {least} to {most}, not {text}")
        return int(text)

    return parse


def verb(about: str, example: str) -> Callable[[Callable[[ArgumentParser], None]], None]:
    """Registers the function below as the verb of its name."""

    def register(add: Callable[[ArgumentParser], None]) -> None:
        VERBS[add.__name__.removeprefix("_")] = Verb(about, example, add)

    return register
