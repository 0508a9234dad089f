"""hf_model.py, config.json and model.safetensors: a detector as Hugging Face's hub stores it."""

from __future__ import annotations

import json

from nas.exports.code import More
from nas.exports.files import HF, HF_CONFIG, HF_WEIGHTS
from nas.exports.trainers.parts.torchvision_parts import renamed
from nas.exports.trainers.pyramid import Pyramid
from nas.exports.trainers.torchvision_file import detector_text, places
from nas.necks.architecture import Architecture
from nas.tasks.weights import packed, unpacked

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
