"""Normalisations by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

GROUP = 8
"""Channels a group, as 32 groups of 256 channels have: with fewer, a group's own statistics wipe out what it says."""


class GroupNorm(nn.GroupNorm):
    """GroupNorm in groups of 8 channels, or of the next number up that divides `width`; always in float32.

    Under autocast torch would leave it in bfloat16, which is less exact, and several times slower on CPUs.
    """

    def __init__(self, width: int) -> None:
        super().__init__(max(g for g in range(1, max(1, width // GROUP) + 1) if width % g == 0), width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x.float())
        return y.to(x.dtype)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": GroupNorm,
}
"""Name -> builder(width)."""
