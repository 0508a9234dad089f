"""Normalisation layers by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

GROUP = 8
"""Channels of a group, as with 32 groups of 256 channels. Normalising fewer channels loses too much information."""


class GroupNorm(nn.GroupNorm):
    """GroupNorm in groups of 8 channels, or of the next larger number that divides `width`; in the type of its weights.

    Under autocast torch would compute in bfloat16, which is less exact, and several times slower on CPUs.
    """

    def __init__(self, width: int) -> None:
        super().__init__(max(g for g in range(1, max(1, width // GROUP) + 1) if width % g == 0), width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x.to(self.weight.dtype))
        return y.to(x.dtype)


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel of (N, C, H, W); in the type of its weights, as `GroupNorm`.

    Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (2022), section 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x.permute(0, 2, 3, 1).to(self.weight.dtype))
        return y.permute(0, 3, 1, 2).to(x.dtype)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": GroupNorm,
    "layer": LayerNorm,
}
"""Name -> builder(width)."""
