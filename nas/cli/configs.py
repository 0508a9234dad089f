"""CONFIG: an architecture named by an export, a file, a preset, or a study's trial."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nas.cli.arguments import IMAGE_SIZE
from nas.errors import UserError
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.presets import preset
from nas.necks.spec import NeckSpec
from nas.necks.topologies import TOPOLOGIES
from nas.studies.catalog import read
from nas.studies.metrics import Metrics
from nas.yaml12 import load_yaml


class Config(NamedTuple):
    """What CONFIG means.

    Attributes:
        label: CONFIG as the user wrote it.
        neck: the neck.
        architecture: None for a neck alone.
        whole: whether the backbone was chosen, not supplied by a preset.
        metrics: those of a trial.
    """

    label: str
    neck: NeckSpec
    architecture: Architecture | None = None
    whole: bool = False
    metrics: Metrics = {}


def find_config(word: str, sets: Sequence[str], storage: str) -> Config:
    """What CONFIG means.

    Args:
        word: an export (its folder or config.yaml), a file of an architecture or a neck, a preset, or `STUDY:NUMBER`.
        sets: options of a preset, such as `width=64`.
        storage: URL of the study database.

    Raises:
        UserError: there is no such file, preset or trial, or an option is wrong.
        SpecError: faults of the file.
    """
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
        raise UserError(f"{word} is not a file, an export or a preset; presets are {', '.join(TOPOLOGIES)}")
    data: Any = load_yaml(read(path), str(path))
    if isinstance(data, Mapping) and isinstance(data.get("architecture"), Mapping):
        data = data["architecture"]
    if isinstance(data, Mapping) and "neck" in data:
        found = Architecture.parse(data, str(path))
        return Config(word, found.neck, found, whole=True)
    return Config(word, NeckSpec.parse(data, str(path)))


def build_model(config: Config, args: argparse.Namespace, other: Config | None = None) -> Architecture:
    """The model whose costs are computed.

    An architecture is taken as it is. A preset or a neck gets `--backbone`, otherwise the rest of the `other`
    architecture that it is compared with, otherwise the plain backbone.

    Raises:
        SpecError, UserError: the neck does not fit.
    """
    neck, own = config.neck, config.architecture
    frame = other.architecture if other is not None and other.whole else None
    if own is not None and config.whole:
        if args.backbone is not None and (other is None or other.whole):
            raise UserError(f"--backbone is for presets and necks, and {config.label} has its own backbone")
        model = own
    elif args.backbone is not None:
        model = _on_backbone(neck, args.backbone, args.image_size or IMAGE_SIZE)
    elif frame is not None:
        backbone = frame.backbone.taken_by(neck)
        model = frame.model_copy(update={"backbone": backbone, "neck": neck})
    else:
        model = own or Architecture(backbone=BackboneSpec(name="plain", levels=neck.inputs), neck=neck)
    size = args.image_size or model.image_size or (frame.image_size if frame is not None else None) or IMAGE_SIZE
    return model.model_copy(update={"image_size": size})


def _on_backbone(neck: NeckSpec, name: str, size: int) -> Architecture:
    """A neck on a backbone. Of a plain backbone such as a ViT, the neck's levels are made of its one map."""
    # Imported only now: other configs need no torch.
    from nas.models.backbone import fitted, on_backbone

    neck = on_backbone(neck, name)
    return Architecture(backbone=fitted(BackboneSpec(name=name).taken_by(neck), size), neck=neck)


def _preset(name: str, sets: Sequence[str]) -> Architecture:
    given: dict[str, Any] = {}
    for change in sets:
        key, equals, text = change.partition("=")
        if not equals or not key.isidentifier() or key == "name":
            raise UserError(f"--set {change}: should be OPTION=VALUE, such as width=64")
        given[key] = load_yaml(text, f"--set {change}")
    for key in ("levels", "finest", "in_channels", "width"):
        if type(given.get(key, 0)) is not int:
            raise UserError(f"--set {key}: should be a whole number, not {given[key]!r}")
    return preset(name, **given)


def _trial(word: str, study: str, number: int, storage: str) -> Config:
    # Imported only now: other configs need no database.
    from nas.storage import open_store
    from nas.storage.results import trial_facts

    with open_store(storage, create=False) as store:
        facts = trial_facts(store, study, number)
    if facts.architecture is None:
        raise UserError(f"trial {number} of {study!r} has no architecture yet: it is {facts.state}")
    found = Architecture.parse(facts.architecture)
    return Config(word, found.neck, found, whole=True, metrics=facts.values)
