"""The model as it is deployed: a batch of images in, named tensors out, without post-processing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import NASError
from nas.models import Detector, HeadedModel
from nas.models.dense import DenseHead

INPUT = "images"
TOLERANCE = 1e-4
"""Largest allowed difference between an exported model and torch: absolute below 1, relative above."""


class Deployed(nn.Module):
    """A copy of a model that maps images (N, C, S, S) in [0, 1] to the tensors called `names`.

    A detector returns `boxes` (N, P, 4) as x1, y1, x2, y2 in pixels, and `scores` (N, P, classes), for the P points or
    anchors of all levels. Other models return what their `raw` returns.
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
            assert isinstance(head, DenseHead)  # `nas.models.graph_fault` refuses other heads
            outputs = head.decode(outputs, head.points(self.model.sizes(), images.device))
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def example(self, batch: int) -> Tensor:
        """Noise as input, the same at each call."""
        size, channels = self.model.image_size, self.model.architecture.backbone.in_channels
        return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(batch))

    def expected(self, images: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            outputs: tuple[Tensor, ...] = self(images)
        return outputs

    def check(self, file: str, run: Callable[[Tensor], Sequence[Tensor]]) -> None:
        """Check for two batch sizes that `run`, the exported model of `file`, computes the same.

        Raises:
            NASError: it does not.
        """
        for images in map(self.example, (1, 3)):
            for name, found, expected in zip(self.names, run(images), self.expected(images), strict=True):
                check_close(file, name, found, expected)


def check_close(file: str, name: str, found: Tensor, expected: Tensor) -> None:
    """Check an output `name` of the exported model of `file`.

    Raises:
        NASError: it differs from the expected one.
    """
    same_shape = found.shape == expected.shape
    error = ((found - expected).abs() / expected.abs().clamp(min=1)).max().item() if same_shape else float("inf")
    if not error <= TOLERANCE:  # NaN too
        raise NASError(
            f"{file} was not written: its {name} differ from torch's by {error:.1e}, more than {TOLERANCE:.0e}"
        )
