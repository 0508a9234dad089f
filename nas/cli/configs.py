"""CONFIG: an architecture named by an export, a file, a preset, or a study's trial."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.cli import options
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.necks.architecture import Architecture
    from nas.necks.spec import NeckSpec
    from nas.studies.metrics import Metrics

HELP = "an export, a file of an architecture or neck, a preset, or a trial as STUDY:NUMBER"

IMAGE_SIZE = 640
"""Pixels, where nothing says more: the usual size of COCO's detectors."""

_PLAIN = "plain"


class Config(NamedTuple):
    """What CONFIG means. `architecture` is None for a neck alone; `whole`: its backbone was chosen, not supplied by a
    preset; `metrics` are those of a trial.
    """

    label: str
    neck: NeckSpec
    architecture: Architecture | None = None
    whole: bool = False
    metrics: Metrics = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options with which a neck becomes a model that has a cost."""
    parser.add_argument("--image-size", metavar="PIXELS", type=_pixels, help=f"side of images (default: {IMAGE_SIZE})")
    parser.add_argument("--backbone", metavar="NAME", help="timm backbone under a preset or neck (default: plain)")
    add_source(parser)
    options.add_json(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    """The options that say what CONFIG means."""
    options.add_storage(parser)
    options.add_set(parser, "an option of the preset, such as width=64; may be repeated", "OPTION=VALUE")


def config_of(word: str, sets: Sequence[str], storage: str) -> Config:
    """What CONFIG means: an export (its folder or config.yaml), a YAML or JSON file of an architecture or a neck, a
    preset's name with its options in `sets` (`width=64`), or `STUDY:NUMBER`, a trial in `storage`.

    Raises:
        UserError: there is no such file, preset or trial, or an option does not fit.
        SpecError: what is wrong in the file.
    """
    from nas.necks.architecture import Architecture
    from nas.necks.spec import NeckSpec
    from nas.necks.topologies import TOPOLOGIES
    from nas.studies.catalog import read
    from nas.yaml12 import load_yaml

    path = Path(word)
    if path.is_dir():
        path /= "config.yaml"
    if word in TOPOLOGIES and not path.is_file():
        built = _preset(word, sets)
        return Config(word, built.neck, built)
    trial = re.fullmatch(r"(.+):(\d+)", word) if not path.is_file() else None
    if sets and (trial or path.is_file()):
        raise UserError(f"--set changes a preset, and {word} is a {'trial' if trial else 'file'}")
    if trial:
        return _trial(word, trial[1], int(trial[2]), storage)
    if not path.is_file():
        raise UserError(f"{word} is neither a file nor an export nor a preset; presets are {', '.join(TOPOLOGIES)}")
    data: Any = load_yaml(read(path), str(path))
    if isinstance(data, Mapping) and isinstance(data.get("architecture"), Mapping):
        data = data["architecture"]
    if isinstance(data, Mapping) and "neck" in data:
        found = Architecture.parse(data, str(path))
        return Config(word, found.neck, found, whole=True)
    return Config(word, NeckSpec.parse(data, str(path)))


def model_of(config: Config, args: argparse.Namespace, other: Config | None = None) -> Architecture:
    """The model whose cost is told: the architecture itself; a preset or neck on `--backbone`, else as part of the
    `other` one that it is compared with, else on the plain backbone.

    Raises:
        SpecError, UserError: the neck does not fit there.
    """
    from nas.necks.architecture import Architecture, BackboneSpec

    neck, own = config.neck, config.architecture
    beside = other.architecture if other is not None and other.whole else None
    if own is not None and config.whole:
        if args.backbone is not None and (other is None or other.whole):
            raise UserError(f"--backbone is for presets and necks, and {config.label} has a backbone of its own")
        model = own
    elif args.backbone is not None:
        model = Architecture(backbone=BackboneSpec(name=args.backbone, levels=neck.inputs), neck=neck)
    elif beside is not None:
        backbone = beside.backbone.model_copy(update={"levels": neck.inputs})
        model = beside.model_copy(update={"backbone": backbone, "neck": neck})
    else:
        model = own or Architecture(backbone=BackboneSpec(name=_PLAIN, levels=neck.inputs), neck=neck)
    size = args.image_size or model.image_size or (beside.image_size if beside is not None else None) or IMAGE_SIZE
    return model.model_copy(update={"image_size": size})


def _preset(name: str, sets: Sequence[str]) -> Architecture:
    from nas.necks.presets import preset
    from nas.yaml12 import load_yaml

    options: dict[str, Any] = {}
    for change in sets:
        key, equals, text = change.partition("=")
        if not equals or not key.isidentifier() or key == "name":
            raise UserError(f"--set {change}: should be OPTION=VALUE, such as width=64")
        options[key] = load_yaml(text, f"--set {change}")
    whole = [key for key in ("levels", "finest", "in_channels", "width") if type(options.get(key, 0)) is not int]
    if whole:
        raise UserError(f"--set {whole[0]}: should be a whole number, not {options[whole[0]]!r}")
    return preset(name, **options)


def _trial(word: str, study: str, number: int, storage: str) -> Config:
    from nas.necks.architecture import Architecture
    from nas.storage import open_store
    from nas.storage.results import trial_facts

    with open_store(storage, create=False) as store:
        facts = trial_facts(store, study, number)
    if facts.architecture is None:
        raise UserError(f"trial {number} of {study!r} has no architecture yet: it is {facts.state}")
    found = Architecture.parse(facts.architecture)
    return Config(word, found.neck, found, whole=True, metrics=facts.values)


def _pixels(text: str) -> int:
    if not text.isdecimal() or not 16 <= int(text) <= 8192:
        raise argparse.ArgumentTypeError(f"should be between 16 and 8192 pixels, not {text}")
    return int(text)
