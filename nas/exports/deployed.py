"""The model as it is deployed: a batch of images in, named tensors out, no post-processing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import NASError
from nas.models import Detector, HeadedModel
from nas.models.dense import DenseHead

INPUT = "images"
TOLERANCE = 1e-4
"""How far an exported model may be from torch's: of 1, or of the value where that is larger."""


class Deployed(nn.Module):
    """Images (N, C, S, S) in [0, 1], S the image size -> tensors called `names`.

    A detector gives `boxes` (N, P, 4) as x1, y1, x2, y2 in pixels of the image, and `scores` (N, P, classes), at the P
    points or anchors of all levels. A model of another head gives what its `raw` gives.
    """

    def __init__(self, model: HeadedModel) -> None:
        super().__init__()
        copied: Any = deepcopy(model)
        self.model = copied.to("cpu", memory_format=torch.contiguous_format)
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self.eval()
        self.names = ("boxes", "scores") if isinstance(model, Detector) else ("logits",)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model.raw(images)
        if isinstance(self.model, Detector):
            head = self.model.head
            assert isinstance(head, DenseHead)  # other heads cannot be exported: see `nas.models.graph_fault`
            outputs = head.decode(outputs, head.points(self.model.sizes(), images.device))
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def example(self, batch: int) -> Tensor:
        """Noise, the same at each call."""
        size, channels = self.model.image_size, self.model.architecture.backbone.in_channels
        return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(batch))

    def expected(self, images: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            outputs: tuple[Tensor, ...] = self(images)
        return outputs


def compared(name: str, names: tuple[str, ...], found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Whether an exported model gives what torch gives.

    Raises:
        NASError: it does not.
    """
    for output, a, b in zip(names, found, expected, strict=True):
        off = ((a - b).abs() / b.abs().clamp(min=1)).max().item() if a.shape == b.shape else float("inf")
        if not off <= TOLERANCE:  # NaN too
            raise NASError(f"{name} was not written: its {output} are off torch's by {off:.1e}, over {TOLERANCE:.0e}")
