"""Weights carried from published code to a built neck, and the comparison of what both compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

Layer = nn.Conv2d | nn.BatchNorm2d | nn.GroupNorm


def scrambled(module: nn.Module, seed: int = 0) -> nn.Module:
    """`module` in eval mode with every weight and statistic at random: what starts equal proves nothing."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.rand_like(p) + 0.5 if p.dim() == 1 else torch.randn_like(p) / p[0].numel() ** 0.5)
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand_like(buffer) + 0.5 if name.endswith("var") else torch.randn_like(buffer) / 10)
    return module.eval()


def copied(pairs: Iterable[tuple[nn.Module, nn.Module]]) -> None:
    """Give each `ours` the state of its `theirs`, layer by layer in the order of their names."""
    for ours, theirs in pairs:
        mine, given = ours.state_dict(), list(theirs.state_dict().values())
        assert [x.shape for x in mine.values()] == [x.shape for x in given], (ours, theirs)
        ours.load_state_dict(dict(zip(mine, given, strict=True)))


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def maps(channels: Mapping[int, int], side: int = 128) -> dict[str, Tensor]:
    """Random maps by name, p3 of `side / 8` cells."""
    torch.manual_seed(1)
    return {f"p{level}": torch.randn(2, c, side >> level, side >> level) for level, c in channels.items()}


def assert_same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    """Rounding difference at most."""
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)
