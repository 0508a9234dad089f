"""The verbs and their arguments. Only argparse is imported here, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from nas import __version__
from nas.errors import UserError

DEFAULT_STORAGE = "sqlite:///nas.db"
TARGETS = ("torch-cpu", "torch-cuda", "onnxruntime")

IMAGE_SIZE = 640
"""Default of `nas cost` and `nas diff` in pixels: the usual size of COCO's detectors."""

_CONFIG = "an export, a file of an architecture or neck, a preset, or a trial as STUDY:NUMBER"


class Verb(NamedTuple):
    """What a verb does, an example, and a function that adds its arguments to a parser.

    The module of its name has `run(args)`, which does the work and returns the exit status.
    """

    help: str
    example: str
    add: Callable[[ArgumentParser], None]


VERBS: dict[str, Verb] = {}


class _Parser(ArgumentParser):
    """A parser whose errors are UserErrors."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def build_parser() -> ArgumentParser:
    """The parser of the command line."""
    parser = _Parser(
        prog="nas",
        description="Search for the feature pyramid that belongs between your backbone and your head.",
        epilog="example: nas launch quickstart",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nas {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    plugin = "a Python file that adds operators, metrics, tasks, ...; it is executed; may be repeated"
    for name, verb in VERBS.items():
        own = verbs.add_parser(
            name,
            help=verb.help,
            description=verb.help[0].upper() + verb.help[1:] + ".",
            epilog=f"example: {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.add(own)
        own.add_argument("--plugin", dest="plugins", metavar="FILE.py", action="append", default=[], help=plugin)
    return parser


def _add_storage(parser: ArgumentParser) -> None:
    about = f"the study database (default: NAS_STORAGE, else {DEFAULT_STORAGE})"
    default = os.environ.get("NAS_STORAGE") or DEFAULT_STORAGE
    parser.add_argument("--storage", metavar="URL", default=default, help=about)


def _add_set(parser: ArgumentParser, what: str = "a value of the study file", metavar: str = "KEY.PATH=VALUE") -> None:
    about = f"change {what}, written in YAML; may be repeated"
    parser.add_argument("--set", dest="sets", metavar=metavar, action="append", default=[], help=about)


def _add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _add_study(parser: ArgumentParser) -> None:
    """Arguments of verbs that read a study of the database."""
    parser.add_argument("study", metavar="STUDY", help="a study in the database by name, or its file")
    _add_storage(parser)
    _add_set(parser)
    _add_json(parser)


def _add_launched(parser: ArgumentParser) -> None:
    """Arguments of verbs that train necks."""
    parser.add_argument("study", metavar="STUDY", help="a study file, shipped or yours, or a study in the database")
    _add_storage(parser)
    about = "where weights are stored (default: beside the SQLite file)"
    parser.add_argument("--artifacts", metavar="DIR", type=Path, help=about)
    parser.add_argument("--name", help="name of the study (default: the file's)")
    parser.add_argument("--workers", metavar="N", help="number of trials at a time")
    parser.add_argument("--executor", metavar="ray|local", help="where trials run; local: in this process, to debug")
    parser.add_argument("--address", metavar="ADDR", help="a running Ray cluster to join: auto, or host:port")
    parser.add_argument("--dry-run", action="store_true", help="report what would be done, and do nothing")
    _add_set(parser)
    _add_json(parser)


def _add_log(parser: ArgumentParser) -> None:
    about = "how progress is shown: a live view in a terminal, else lines (auto); lines; json, an object a line"
    parser.add_argument("--log", choices=["auto", "lines", "json"], default="auto", help=about)


def _add_export(parser: ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `nas export` or `nas train` wrote")


def _add_config(parser: ArgumentParser) -> None:
    """Options of verbs that read a CONFIG."""
    _add_storage(parser)
    _add_set(parser, "an option of the preset, such as width=64", "OPTION=VALUE")


def _add_costs(parser: ArgumentParser) -> None:
    """Options of verbs that compute costs."""
    about = f"side of the images (default: {IMAGE_SIZE})"
    parser.add_argument("--image-size", metavar="PIXELS", type=_whole_number(16, 8192), help=about)
    parser.add_argument("--backbone", metavar="NAME", help="timm backbone for a preset or neck (default: plain)")
    _add_config(parser)
    _add_json(parser)


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    """A type of arguments."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"should be a whole number from {least} to {most}, not {text}")
        return int(text)

    return parse


def _verb(about: str, example: str) -> Callable[[Callable[[ArgumentParser], None]], None]:
    """Registers the function below as the verb of its name."""

    def register(add: Callable[[ArgumentParser], None]) -> None:
        VERBS[add.__name__.removeprefix("_")] = Verb(about, example, add)

    return register


@_verb(
    "run a search, or continue one that was launched before",
    "nas launch studies/bccd.yaml --set task.data.root=PATH --trials 16",
)
def _launch(parser: ArgumentParser) -> None:
    _add_launched(parser)
    parser.add_argument("--trials", metavar="N", help="number of trials, with those of earlier launches")
    _add_log(parser)


@_verb(
    "train the best of a study in full, with several seeds, and compare them with the baselines",
    "nas confirm quickstart --top 1 --seeds 2",
)
def _confirm(parser: ArgumentParser) -> None:
    _add_launched(parser)
    parser.add_argument("--top", metavar="K", type=int, default=3, help="how many of the best trials (default: 3)")
    parser.add_argument("--seeds", metavar="S", type=int, default=3, help="trainings of each (default: 3)")
    _add_log(parser)


@_verb("list the studies of a database", "nas ls --storage sqlite:///nas.db")
def _ls(parser: ArgumentParser) -> None:
    _add_storage(parser)
    _add_json(parser)


@_verb("show what a study has found, or the facts of one trial", "nas show quickstart 7")
def _show(parser: ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="number of a trial")


@_verb("watch a study that runs elsewhere, until it ends; then show what it found", "nas watch bccd")
def _watch(parser: ArgumentParser) -> None:
    _add_study(parser)
    _add_log(parser)


@_verb("show how a trial was trained: its attempts, its workers, what each epoch gave", "nas logs bccd 7")
def _logs(parser: ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", type=int, help="number of a trial")


@_verb("stop a study that runs, here or elsewhere; its finished trials are kept", "nas stop bccd")
def _stop(parser: ArgumentParser) -> None:
    _add_study(parser)


@_verb("delete a study with its trials and weights, once its name was typed again", "nas rm bccd")
def _rm(parser: ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("--confirm", metavar="NAME", help="the study's name, in place of typing it")


@_verb(
    "check a study or a search space without running it: all faults at once",
    "nas validate studies/bccd.yaml --set task.data.root=PATH",
)
def _validate(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a study or a search space: a path, or a shipped one by name")
    _add_set(parser)
    _add_json(parser)


@_verb("print the JSON Schema of a study file or a search space file", "nas schema study")
def _schema(parser: ArgumentParser) -> None:
    kinds, about = ("study", "space"), "what the file holds (default: study)"
    parser.add_argument("kind", metavar="study|space", nargs="?", choices=kinds, default="study", help=about)


@_verb("summarize a folder of annotated images, and propose levels and anchors", "nas data FOLDER --image-size 320")
def _data(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="a folder of voc, coco, yolo or masks data, or a data.yaml")
    parser.add_argument("--kind", help="kind of the data (default: guessed from the layout)")
    about = "names of the classes (default: those that the data names)"
    parser.add_argument("--classes", metavar="A,B,...", help=about)
    about = "side of the letterboxed images (default: 160)"
    parser.add_argument("--image-size", metavar="PIXELS", type=int, help=about)
    _add_json(parser)


@_verb(
    "show the effect of each choice of the search space on each metric, with intervals",
    "nas effects bccd --metric ap --metric latency_ms --plot effects.html",
)
def _effects(parser: ArgumentParser) -> None:
    _add_study(parser)
    about = "a metric to explain, the first in sentences; may be repeated (default: those of the study, and the costs)"
    parser.add_argument("--metric", dest="metrics", metavar="NAME", action="append", default=[], help=about)
    parser.add_argument("--plot", metavar="FILE.html", type=Path, help="write a figure of the effects")


@_verb(
    "validate a study's proxy: train a sample of necks both ways and compare the rankings",
    "nas proxy studies/bccd.yaml --set task.data.root=PATH --necks 24 --seeds 2",
)
def _proxy(parser: ArgumentParser) -> None:
    _add_launched(parser)
    # These defaults are in nas.studies.certificate.
    parser.add_argument("--necks", metavar="N", type=int, help="necks to train, a stratified sample (default: 24)")
    parser.add_argument("--seeds", metavar="N", type=int, help="seeds to train each neck with (default: 2)")
    parser.add_argument("--threshold", metavar="T", type=float, help="tau that is required (default: 0.65)")
    about = "find the cheapest training with that tau, and write it to the study"
    parser.add_argument("--search", action="store_true", help=about)
    about = "file that --search writes (default: the study file; for a shipped study its name here)"
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help=about)


@_verb("write what a study found as one HTML page that loads nothing", "nas report quickstart -o report.html")
def _report(parser: ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("-o", "--output", metavar="FILE.html", type=Path, required=True, help="file to write")


@_verb("serve Optuna's dashboard on the study database", "nas dashboard --port 8080")
def _dashboard(parser: ArgumentParser) -> None:
    _add_storage(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", metavar="N", type=int, default=8080, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="let visitors change and delete studies")


@_verb("export a trained architecture: its config, weights, code, ONNX", "nas export quickstart -o exports/quickstart")
def _export(parser: ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder to write")
    about = "number of the trial (default: the winner of the finalists, else the best)"
    parser.add_argument("--trial", metavar="N", type=int, help=about)
    about = "what to write: config, weights, python, onnx, onnx-nms, pt2 (default: config, weights, and the study's)"
    parser.add_argument("--format", metavar="A,B", help=about)


@_verb(
    "find objects in images with an exported model; prints boxes, or shares of the classes, as JSON",
    "nas predict exports/quickstart image.png --draw pictures",
)
def _predict(parser: ArgumentParser) -> None:
    _add_export(parser)
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="an image file")
    about = "folder for pictures of the boxes, or for class maps and overlays"
    parser.add_argument("--draw", metavar="FOLDER", type=Path, help=about)
    about = "lowest score of a box (default: the export's score_threshold)"
    parser.add_argument("--threshold", metavar="SCORE", type=float, help=about)


@_verb("measure an exported model on a folder of annotated images", "nas eval exports/bccd FOLDER --split val")
def _eval(parser: ArgumentParser) -> None:
    _add_export(parser)
    parser.add_argument("data", metavar="DATA", help="a folder with the export's classes; digits: the embedded data")
    parser.add_argument("--kind", help="its kind, such as voc, coco, yolo, masks (default: guessed)")
    parts = ["val", "train", "test"]
    parser.add_argument("--split", choices=parts, default="val", help="its part (default: %(default)s)")
    _add_json(parser)


@_verb(
    "train an exported architecture in full, or continue such a training; the result is an export again",
    "nas train exports/bccd -o trained/bccd --epochs 300 --image-size 640",
)
def _train(parser: ArgumentParser) -> None:
    _add_export(parser)
    about = "folder to write; a training that it holds is continued"
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help=about)
    parser.add_argument("--data", metavar="FOLDER", help="other data; digits: the embedded ones (default: the study's)")
    parser.add_argument("--epochs", metavar="N", help="length (default: the study's full training)")
    parser.add_argument("--image-size", metavar="PIXELS", help="side of the images (default: the study's)")
    about = "start from the backbone's weights alone, or fine-tune all weights of the export (default: %(default)s)"
    parser.add_argument("--init", choices=["backbone", "weights"], default="backbone", help=about)
    seed = _whole_number(0, 2**31 - 1)
    parser.add_argument("--seed", metavar="N", type=seed, default=0, help="seed of the random start (default: 0)")
    about = "device to train on (default: the study's)"
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help=about)
    about = "what to write beside config and weights: python, onnx, onnx-nms, pt2"
    parser.add_argument("--format", metavar="A,B", help=about)
    _add_set(parser, "a value of the task", "task.KEY=VALUE")
    _add_json(parser)


@_verb("draw a neck as SVG", "nas draw bifpn --set width=64 -o bifpn.svg")
def _draw(parser: ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=_CONFIG)
    parser.add_argument("-o", "--output", metavar="FILE.svg", type=Path, help="file to write (default: stdout)")
    _add_config(parser)


@_verb(
    "show what a model costs: parameters, multiply-accumulates, memory, latency; by level and by node",
    "nas cost bifpn --set width=64 --backbone tf_efficientnet_lite0 --image-size 512",
)
def _cost(parser: ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=_CONFIG)
    about = f"measure the latency too, batch 1, one thread; one of {', '.join(TARGETS)}"
    parser.add_argument("--latency", metavar="TARGET", choices=TARGETS, help=about)
    _add_costs(parser)


@_verb("compare two necks, in words and in numbers", "nas diff fpn panet --set width=64")
def _diff(parser: ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help=_CONFIG)
    parser.add_argument("b", metavar="B", help="what A is compared with, named likewise")
    _add_costs(parser)
