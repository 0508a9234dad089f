"""The verbs and their arguments. Only argparse is imported here, so that `--help` answers at once."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

from nas import __version__
from nas.cli.arguments import (
    REMOTE,
    TARGETS,
    VERBS,
    add_config,
    add_costs,
    add_export,
    add_json,
    add_launched,
    add_log,
    add_set,
    add_sink,
    add_storage,
    add_study,
    verb,
    whole_number,
)
from nas.errors import UserError

_FORMATS = "python, onnx, onnx-nms, pt2, torchvision, timm, hf, ultralytics"
_CONFIG = "an export, a file of an architecture or neck, a preset, or a trial as STUDY:NUMBER"


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
    about = f"a service to ask ({', '.join(REMOTE)}), with the token NAS_TOKEN (default: NAS_SERVER)"
    parser.add_argument("--server", metavar="URL", help=about)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    plugin = "a Python file that adds operators, metrics, tasks, ...; it is executed; may be repeated"
    for name, known in VERBS.items():
        own = verbs.add_parser(
            name,
            help=known.help,
            description=known.help[0].upper() + known.help[1:] + ".",
            epilog=f"example: {known.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        known.add(own)
        own.add_argument("--plugin", dest="plugins", metavar="FILE.py", action="append", default=[], help=plugin)
    return parser


@verb(
    "run a search, or continue one that was launched before",
    "nas launch studies/bccd.yaml --set task.data.root=PATH --trials 16",
)
def _launch(parser: ArgumentParser) -> None:
    add_launched(parser)
    parser.add_argument("--trials", metavar="N", help="number of trials, with those of earlier launches")
    add_log(parser)
    add_sink(parser)


@verb(
    "train the best of a study in full, with several seeds, and compare them with the baselines",
    "nas confirm quickstart --top 1 --seeds 2",
)
def _confirm(parser: ArgumentParser) -> None:
    add_launched(parser)
    parser.add_argument("--top", metavar="K", type=int, default=3, help="how many of the best trials (default: 3)")
    parser.add_argument("--seeds", metavar="S", type=int, default=3, help="trainings of each (default: 3)")
    add_log(parser)
    add_sink(parser)


@verb("list the studies of a database", "nas ls --storage sqlite:///nas.db")
def _ls(parser: ArgumentParser) -> None:
    add_storage(parser)
    add_json(parser)


@verb("show what a study has found, or the facts of one trial", "nas show quickstart 7")
def _show(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="number of a trial")


@verb("watch a study that runs elsewhere, until it ends; then show what it found", "nas watch bccd")
def _watch(parser: ArgumentParser) -> None:
    add_study(parser)
    add_log(parser)


@verb("show how a trial was trained: its attempts, its workers, what each epoch gave", "nas logs bccd 7")
def _logs(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", type=int, help="number of a trial")


@verb("stop a study that runs, here or elsewhere; its finished trials are kept", "nas stop bccd")
def _stop(parser: ArgumentParser) -> None:
    add_study(parser)


@verb("delete a study with its trials and weights, once its name was typed again", "nas rm bccd")
def _rm(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--confirm", metavar="NAME", help="the study's name, in place of typing it")


@verb(
    "check a study or a search space without running it: all faults at once",
    "nas validate studies/bccd.yaml --set task.data.root=PATH",
)
def _validate(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a study or a search space: a path, or a shipped one by name")
    add_set(parser)
    add_json(parser)


@verb("print the JSON Schema of a study file or a search space file", "nas schema study")
def _schema(parser: ArgumentParser) -> None:
    kinds, about = ("study", "space"), "what the file holds (default: study)"
    parser.add_argument("kind", metavar="study|space", nargs="?", choices=kinds, default="study", help=about)


@verb("summarize a folder of annotated images, and propose levels and anchors", "nas data FOLDER --image-size 320")
def _data(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="a folder of voc, coco, yolo or masks data, or a data.yaml")
    parser.add_argument("--kind", help="kind of the data (default: guessed from the layout)")
    about = "names of the classes (default: those that the data names)"
    parser.add_argument("--classes", metavar="A,B,...", help=about)
    about = "side of the letterboxed images (default: 160)"
    parser.add_argument("--image-size", metavar="PIXELS", type=int, help=about)
    parser.add_argument("--channels", metavar="N", type=int, help="channels of the images (default: read in RGB)")
    parser.add_argument("--tile", metavar="PIXELS", type=int, help="cut large images into windows of this side")
    add_json(parser)


@verb(
    "show the effect of each choice of the search space on each metric, with intervals",
    "nas effects bccd --metric ap --metric latency_ms --plot effects.html",
)
def _effects(parser: ArgumentParser) -> None:
    add_study(parser)
    about = "a metric to explain, the first in sentences; may be repeated (default: those of the study, and the costs)"
    parser.add_argument("--metric", dest="metrics", metavar="NAME", action="append", default=[], help=about)
    parser.add_argument("--plot", metavar="FILE.html", type=Path, help="write a figure of the effects")


@verb(
    "validate a study's proxy: train a sample of necks both ways and compare the rankings",
    "nas proxy studies/bccd.yaml --set task.data.root=PATH --necks 24 --seeds 2",
)
def _proxy(parser: ArgumentParser) -> None:
    add_launched(parser)
    # These defaults are in nas.studies.certificate.
    parser.add_argument("--necks", metavar="N", type=int, help="necks to train, a stratified sample (default: 24)")
    parser.add_argument("--seeds", metavar="N", type=int, help="seeds to train each neck with (default: 2)")
    parser.add_argument("--threshold", metavar="T", type=float, help="tau that is required (default: 0.65)")
    about = "find the cheapest training with that tau, and write it to the study"
    parser.add_argument("--search", action="store_true", help=about)
    about = "file that --search writes (default: the study file; for a shipped study its name here)"
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help=about)


@verb("write what a study found as one HTML page that loads nothing", "nas report quickstart -o report.html")
def _report(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="FILE.html", type=Path, required=True, help="file to write")


@verb("serve Optuna's dashboard on the study database", "nas dashboard --port 8080")
def _dashboard(parser: ArgumentParser) -> None:
    add_storage(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", metavar="N", type=int, default=8080, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="let visitors change and delete studies")


@verb(
    "serve studies over HTTP: post, watch, compare and take away, with a queue and a lock",
    "nas serve --storage sqlite:///nas.db --data-root DATA",
)
def _serve(parser: ArgumentParser) -> None:
    add_storage(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", metavar="N", type=int, default=8080, help="default: %(default)s")
    about = "a folder below which posted studies may name data and checkpoints; may be repeated"
    parser.add_argument(
        "--data-root", dest="data_roots", metavar="DIR", type=Path, action="append", default=[], help=about
    )
    about = "where weights are stored: a folder, or a URL such as s3://bucket/prefix (default: beside the SQLite file)"
    parser.add_argument("--artifacts", metavar="DIR", help=about)
    about = "how many jobs run at a time (default: 1); 0: only answer"
    parser.add_argument("--jobs", metavar="N", type=whole_number(0, 1000), default=1, help=about)
    parser.add_argument("--address", metavar="ADDR", help="a running Ray cluster that searches join")
    about = "a URL below which studies may be notified of their end; may be repeated; NAS_NOTIFY_KEY signs the messages"
    parser.add_argument("--notify", metavar="URL", action="append", default=[], help=about)
    about = "requests a minute that one token, or one address without a token, may make (default: 1200)"
    parser.add_argument("--rate", metavar="N", type=whole_number(60, 10**6), default=1200, help=about)
    about = "let tokens that may write change studies in Optuna's dashboard"
    parser.add_argument("--optuna-writes", action="store_true", help=about)


@verb(
    "time models on this device for studies elsewhere, or write the one file that does", "nas device serve --port 8700"
)
def _device(parser: ArgumentParser) -> None:
    about = "serve: answer here, with the token NAS_DEVICE_TOKEN; file: write the runner, to be copied to a device"
    parser.add_argument("action", metavar="serve|file", choices=["serve", "file"], help=about)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", metavar="N", type=int, default=8700, help="default: %(default)s")
    parser.add_argument("-o", "--output", metavar="FILE.py", type=Path, help="where file writes (default: runner.py)")


@verb("make, list or revoke tokens of the service", "nas token create --scope write")
def _token(parser: ArgumentParser) -> None:
    parser.add_argument("action", metavar="create|ls|revoke", choices=["create", "ls", "revoke"])
    parser.add_argument("id", metavar="ID", nargs="?", help="the token to revoke")
    about = "what a new token allows: read, write (post, cancel, resume) or admin (default: read)"
    parser.add_argument("--scope", choices=["read", "write", "admin"], default="read", help=about)
    parser.add_argument("--name", help="what a new token is called, such as whose it is")
    add_storage(parser)
    add_json(parser)


@verb("export a trained architecture: its config, weights, code, ONNX", "nas export quickstart -o exports/quickstart")
def _export(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder to write")
    about = "number of the trial (default: the winner of the finalists, else the best)"
    parser.add_argument("--trial", metavar="N", type=int, help=about)
    about = f"what to write: config, weights, {_FORMATS} (default: config, weights, and the study's)"
    parser.add_argument("--format", metavar="A,B", help=about)


@verb(
    "find objects in images with an exported model; prints boxes, or shares of the classes, as JSON",
    "nas predict exports/quickstart image.png --draw pictures",
)
def _predict(parser: ArgumentParser) -> None:
    add_export(parser)
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="an image file")
    about = "folder for pictures of the boxes, or for class maps and overlays"
    parser.add_argument("--draw", metavar="FOLDER", type=Path, help=about)
    about = "lowest score of a box (default: the export's score_threshold)"
    parser.add_argument("--threshold", metavar="SCORE", type=float, help=about)


@verb("measure an exported model on a folder of annotated images", "nas eval exports/bccd FOLDER --split val")
def _eval(parser: ArgumentParser) -> None:
    add_export(parser)
    parser.add_argument("data", metavar="DATA", help="a folder with the export's classes; digits: the embedded data")
    parser.add_argument("--kind", help="its kind, such as voc, coco, yolo, masks (default: guessed)")
    parts = ["val", "train", "test"]
    parser.add_argument("--split", choices=parts, default="val", help="its part (default: %(default)s)")
    add_json(parser)


@verb(
    "train an exported architecture in full, or continue such a training; the result is an export again",
    "nas train exports/bccd -o trained/bccd --epochs 300 --image-size 640",
)
def _train(parser: ArgumentParser) -> None:
    add_export(parser)
    about = "folder to write; a training that it holds is continued"
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help=about)
    parser.add_argument("--data", metavar="FOLDER", help="other data; digits: the embedded ones (default: the study's)")
    parser.add_argument("--epochs", metavar="N", help="length (default: the study's full training)")
    parser.add_argument("--image-size", metavar="PIXELS", help="side of the images (default: the study's)")
    about = "start from the backbone's weights alone, or fine-tune all weights of the export (default: %(default)s)"
    parser.add_argument("--init", choices=["backbone", "weights"], default="backbone", help=about)
    seed = whole_number(0, 2**31 - 1)
    parser.add_argument("--seed", metavar="N", type=seed, default=0, help="seed of the random start (default: 0)")
    about = "device to train on (default: the study's)"
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help=about)
    about = f"what to write beside config and weights: {_FORMATS}"
    parser.add_argument("--format", metavar="A,B", help=about)
    add_set(parser, "a value of the task", "task.KEY=VALUE")
    add_json(parser)


@verb("draw a neck as SVG", "nas draw bifpn --set width=64 -o bifpn.svg")
def _draw(parser: ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=_CONFIG)
    parser.add_argument("-o", "--output", metavar="FILE.svg", type=Path, help="file to write (default: stdout)")
    add_config(parser)


@verb(
    "show what a model costs: parameters, multiply-accumulates, memory, latency; by level and by node",
    "nas cost bifpn --set width=64 --backbone tf_efficientnet_lite0 --image-size 512",
)
def _cost(parser: ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=_CONFIG)
    about = f"measure the latency too, batch 1, one thread; one of {', '.join(TARGETS)}"
    parser.add_argument("--latency", metavar="TARGET", choices=TARGETS, help=about)
    add_costs(parser)


@verb("compare two necks, in words and in numbers", "nas diff fpn panet --set width=64")
def _diff(parser: ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help=_CONFIG)
    parser.add_argument("b", metavar="B", help="what A is compared with, named likewise")
    add_costs(parser)
