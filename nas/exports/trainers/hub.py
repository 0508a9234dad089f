"""hf_model.py, config.json and model.safetensors: a detector as Hugging Face's hub stores it."""

from __future__ import annotations

import json
from pathlib import Path

from nas.exports.code import More
from nas.exports.config import ExportConfig
from nas.exports.files import HF, HF_CONFIG, HF_WEIGHTS
from nas.exports.trainers.parts.torchvision_parts import renamed
from nas.exports.trainers.pyramid import Pyramid
from nas.exports.trainers.torchvision_file import detector_text, places
from nas.necks.architecture import Architecture
from nas.studies.metrics import FORECASTS, metric_of
from nas.tasks.weights import packed, unpacked

_TASK = "object-detection"

_USAGE = """\
From the hub, or from a folder:

    from hf_model import Detector

    model = Detector.from_pretrained("USER/NAME")"""

_CLASS = '''\
class Detector(nn.Module, PyTorchModelHubMixin):
    """A detector with `from_pretrained`, `save_pretrained` and `push_to_hub`. Its arguments are in config.json."""

    def __init__(self, head: str = "{head}", classes: Sequence[str] = CLASSES) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.detector = detector(head, len(classes))

    def forward(self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None) -> Any:
        return self.detector(images, targets)'''


def front_matter(config: ExportConfig) -> str:
    """The start of README.md that the hub reads: what the model is for, and its measured metrics. It has no licence.

    Whoever publishes the model chooses one, because it depends on the data.
    """
    from huggingface_hub import EvalResult, ModelCardData

    data = config.task.data if config.task is not None else None
    forecast = {*FORECASTS, *(f"{name}_sd" for name in FORECASTS), "seconds"}
    measured = {
        n: x for n, x in config.metrics.items() if x is not None and metric_of(n).from_training and n not in forecast
    }
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=data.kind,
            dataset_name=Path(data.root).name if data.root is not None else data.kind,
            dataset_split="validation",
            metric_type=name,
            metric_name=metric_of(name).about,
            metric_value=value,
        )
        for name, value in measured.items()
        if data is not None
    ]
    name = f"{config.study}-{config.trial}"
    card = ModelCardData(
        library_name="pyramid-nas",
        pipeline_tag=_TASK,
        tags=["pytorch", "torchvision", "feature-pyramid", "neural-architecture-search", "pytorch_model_hub_mixin"],
        model_name=name if results else None,
        eval_results=results or None,
    )
    return f"---\n{card.to_yaml()}\n---\n\n"


def hub(architecture: Architecture, state: bytes | None) -> dict[str, bytes]:
    """The three files; the card is the export's own."""
    assert state is not None
    pyramid = Pyramid.of(architecture)
    more = More(
        imports=["from huggingface_hub import PyTorchModelHubMixin", "from typing import Any"],
        texts=[_CLASS.format(head=pyramid.head.kind)],
    )
    text = detector_text(pyramid, HF, more, _USAGE)
    config = {
        "head": pyramid.head.kind,
        "classes": list(pyramid.classes),
        "id2label": dict(enumerate(pyramid.classes)),
        "image_size": pyramid.size,
        "image_mean": pyramid.mean,
        "image_std": pyramid.std,
        "backbone": pyramid.backbone.name,
        "architecture": architecture.digest,
    }
    return {
        HF: text,
        HF_CONFIG: (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode(),
        HF_WEIGHTS: packed({f"detector.{name}": x for name, x in renamed(unpacked(state), places(pyramid)).items()}),
    }
