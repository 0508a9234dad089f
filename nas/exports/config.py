"""config.yaml: everything that must be known to use an export, and where it comes from."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from nas import __version__
from nas.errors import UserError
from nas.geometry import PAD
from nas.models.heads import HEADS
from nas.models.pixels import PixelHead
from nas.models.pyramid import head_and_size
from nas.necks.architecture import Architecture
from nas.necks.describe import node_table, summary
from nas.plugins import packages
from nas.studies.catalog import read
from nas.studies.metrics import Metrics
from nas.studies.spec import TaskSpec
from nas.value import Value
from nas.yaml12 import dump_yaml, load_yaml

CONFIG = "config.yaml"

CURVE = "curve.csv"
"""Of a model that `nas train` made: its learning curve, a line an epoch."""

STUDY = "study.md"
"""Of such a model too: the card of the study that found its architecture."""

HEADER = "# An exported model of pyramid-nas: nas.load(DIR), nas predict DIR IMAGE...\n"
"""First line of every config.yaml, by which a folder is known as an export."""

_HEADERS = (HEADER, HEADER.replace("model", "detector"))
"""That of this version and of earlier ones."""

SCORE_THRESHOLD = 0.5
"""Boxes below this score are not shown in use. Average precision is measured down to `Detector.threshold`, far too low
for a picture; this is a default to be set for one's own data, not a calibration."""

_PACKAGES = ("torch", "torchvision", "timm")


class Normalisation(Value):
    """A channel x in [0, 1] becomes (x - mean) / std. The model does it itself."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Letterbox(Value):
    """The long side is brought to `size` pixels, and the rest of the square filled with the grey `padding`."""

    size: int
    placement: Literal["top-left"] = "top-left"
    padding: int = PAD
    interpolation: Literal["bilinear, antialiased"] = "bilinear, antialiased"


Init = Literal["backbone", "weights"]
"""What a training starts from: the backbone's weights alone, or those of the whole model."""


class Trained(Value):
    """How `nas train` made an export out of another.

    `init` and `seed` are as they were asked for. `source` is the digest of the export that it began with, `given` the
    SHA-256 of the weights that were taken from it, if any. `before` are the metrics that were measured there, `images`
    the numbers of training and validation images, `seconds` what the training took.
    """

    init: Init
    seed: int
    source: str
    given: str | None
    before: Metrics
    images: tuple[int, int]
    seconds: float


class ExportConfig(Value):
    """The content of config.yaml. `weights` is the SHA-256 of weights.safetensors; None where they are not exported.
    `score_threshold` is None where there are no boxes. `task` is the full training that the study's proxy stands for,
    or the one that `trained` tells of; None in exports from before it was written.

    `digest`, `classes`, `normalisation` and `letterbox` repeat the architecture's, for readers.
    """

    export: Literal[1] = 1
    study: str
    trial: int
    baseline: str | None
    digest: str
    metrics: Metrics
    params: dict[str, Any]
    search_space: dict[str, Any]
    classes: tuple[str, ...]
    normalisation: Normalisation
    letterbox: Letterbox
    score_threshold: float | None = Field(SCORE_THRESHOLD, ge=0, lt=1)
    weights: str | None
    details: dict[str, Any]
    versions: dict[str, str]
    machine: str
    date: datetime
    task: TaskSpec | None = None
    trained: Trained | None = None
    architecture: Architecture

    @classmethod
    def of(cls, architecture: Architecture, **facts: Any) -> Self:
        """The config of an architecture, exported here and now by this software."""
        if not _gives_boxes(architecture):
            facts = {"score_threshold": None} | facts
        return cls(
            **_repeated(architecture),
            **facts,
            architecture=architecture,
            versions={"pyramid-nas": __version__} | {name: version(name) for name in _PACKAGES} | packages(),
            machine=platform.platform(),
            date=datetime.now(UTC).replace(microsecond=0),
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        other = [key for key, value in _repeated(self.architecture).items() if getattr(self, key) != value]
        if other:
            raise ValueError(f"{', '.join(other)} and the architecture differ: the file was changed, export it again")
        return self

    def to_yaml(self) -> str:
        """The file: the neck drawn in comments, a line a node, then the data with the nodes in the same order."""
        neck = self.architecture.neck
        drawn = "".join(f"# {line}\n" for line in [summary(neck), *node_table(neck).splitlines()])
        data = self.model_dump(mode="json", exclude={"architecture"})
        return HEADER + drawn + dump_yaml(data | {"architecture": self.architecture.to_dict()})


def read_config(directory: Path) -> ExportConfig:
    """The config of an export.

    Raises:
        UserError: the folder is no export.
        SpecError: its config.yaml is damaged; with every fault.
    """
    path = directory / CONFIG
    if not path.is_file():
        raise UserError(f"{directory} is no export: it has no {CONFIG}; `nas export STUDY -o DIR` makes one")
    data = load_yaml(read(path), str(path))
    if not isinstance(data, Mapping) or "export" not in data:
        raise UserError(f"{path} is not of an export: it has no key `export`")
    return ExportConfig.parse(data, str(path))


def is_export(directory: Path) -> bool:
    """Whether an earlier export lies here, whole or damaged."""
    path = directory / CONFIG
    return path.is_file() and path.read_bytes().startswith(tuple(header.encode() for header in _HEADERS))


def _gives_boxes(architecture: Architecture) -> bool:
    kind = None if architecture.head is None else HEADS.get(architecture.head.kind)
    return kind is None or not issubclass(kind, PixelHead)


def _repeated(architecture: Architecture) -> dict[str, Any]:
    head, size = head_and_size(architecture)
    backbone = architecture.backbone
    channels = backbone.in_channels
    normalisation = Normalisation(mean=backbone.mean or (0.0,) * channels, std=backbone.std or (1.0,) * channels)
    return {
        "digest": architecture.digest,
        "classes": head.classes,
        "normalisation": normalisation,
        "letterbox": Letterbox(size=size),
    }
