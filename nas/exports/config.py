"""config.yaml: how to use an export, and where it comes from."""

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
from nas.exports.files import CONFIG
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
from nas.tasks.data.bands import Bands
from nas.tasks.data.tiling import Tiling
from nas.value import Value
from nas.yaml12 import dump_yaml, load_yaml

HEADER = "# An exported model of pyramid-nas: nas.load(DIR), nas predict DIR IMAGE...\n"
"""The first line of every config.yaml, which marks a folder as an export."""

_HEADERS = (HEADER, HEADER.replace("model", "detector"))
"""The header of this version, and that of earlier ones."""

SCORE_THRESHOLD = 0.5
"""Default lowest score of a box that `nas predict` returns, not calibrated: set it for your data. Average precision
is measured down to `Detector.threshold`, which is far too low for a picture."""

_PACKAGES = ("torch", "torchvision", "timm")


class Normalisation(Value):
    """The model computes (x - mean) / std for each channel x in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Letterbox(Value):
    """The long side is resized to `size` pixels, and the square is filled with the grey `padding`."""

    size: int
    placement: Literal["top-left"] = "top-left"
    padding: int = PAD
    interpolation: Literal["bilinear, antialiased"] = "bilinear, antialiased"


Init = Literal["backbone", "weights"]
"""What `nas train` starts from: the backbone's weights alone, or all weights of the export."""


class TrainingRecord(Value):
    """How `nas train` made this export from another one, its source.

    Attributes:
        init: what the training started from.
        seed: of the training.
        source: digest of the source's architecture.
        given: SHA-256 of the source's weights; None if none of them were used.
        before: metrics of the source.
        images: numbers of training and validation images.
        seconds: duration of the training.
    """

    init: Init
    seed: int
    source: str
    given: str | None
    before: Metrics
    images: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    def settings(self, task: TaskSpec) -> dict[str, Any]:
        """All that determines the result of a training on `task`, except the content of data and backbone."""
        facts = {"init": self.init, "seed": self.seed, "architecture": self.source, "weights": self.given}
        return facts | {"task": task.model_dump(mode="json")}


class ExportConfig(Value):
    """The content of config.yaml.

    `digest`, `classes`, `normalisation` and `letterbox` repeat facts of the architecture for readers.

    Attributes:
        score_threshold: lowest score of a box that `nas predict` returns; None for a model without boxes.
        weights: SHA-256 of weights.safetensors; None if they were not exported.
        task: the full training of the study, or what `nas train` ran; None in exports of old versions.
        trained: how `nas train` made it; None for an export of a study.
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
    trained: TrainingRecord | None = None
    architecture: Architecture

    @classmethod
    def create(cls, architecture: Architecture, **facts: Any) -> Self:
        """The config of an architecture that is exported now, on this machine."""
        if not _finds_boxes(architecture):
            facts = {"score_threshold": None} | facts
        return cls(
            **_repeated_facts(architecture),
            **facts,
            architecture=architecture,
            versions={"pyramid-nas": __version__} | {name: version(name) for name in _PACKAGES} | packages(),
            machine=platform.platform(),
            date=datetime.now(UTC).replace(microsecond=0),
        )

    @property
    def tiling(self) -> Tiling | None:
        """How images were cut into windows in training, and are for the model."""
        return Tiling.of(self.task.data) if self.task is not None else None

    @property
    def bands(self) -> Bands | None:
        """The channels of images that are not read in RGB."""
        return Bands.of(self.task.data) if self.task is not None else None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        other = [key for key, value in _repeated_facts(self.architecture).items() if getattr(self, key) != value]
        if other:
            raise ValueError(f"{', '.join(other)} and the architecture differ: the file was edited; export it again")
        return self

    def to_yaml(self) -> str:
        """The text of the file: comments that draw the neck, a line a node, then the data."""
        neck = self.architecture.neck
        drawn = "".join(f"# {line}\n" for line in [summary(neck), *node_table(neck).splitlines()])
        data = self.model_dump(mode="json", exclude={"architecture"})
        return HEADER + drawn + dump_yaml(data | {"architecture": self.architecture.to_dict()})


def read_config(directory: Path) -> ExportConfig:
    """The config of an export. Raises UserError if there is none, SpecError if it is damaged."""
    path = directory / CONFIG
    if not path.is_file():
        raise UserError(f"{directory} is no export: it has no {CONFIG}; `nas export STUDY -o DIR` makes one")
    data = load_yaml(read(path), str(path))
    if not isinstance(data, Mapping) or "export" not in data:
        raise UserError(f"{path} is not the config of an export: it has no key `export`")
    return ExportConfig.parse(data, str(path))


def is_export(directory: Path) -> bool:
    """Whether the folder holds an export, which may be damaged."""
    path = directory / CONFIG
    return path.is_file() and path.read_bytes().startswith(tuple(header.encode() for header in _HEADERS))


def _finds_boxes(architecture: Architecture) -> bool:
    kind = None if architecture.head is None else HEADS.get(architecture.head.kind)
    return kind is None or not issubclass(kind, PixelHead)


def _repeated_facts(architecture: Architecture) -> dict[str, Any]:
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
