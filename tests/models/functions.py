"""What a neck computes, as a value that is equal for equal functions, whatever their weights are called.

Two necks are one function if some assignment of the tensors of one to those of the other makes their outputs equal. To
try all assignments is hopeless, and needless: let all tensors of one kind and shape have the same numbers, alike along
every direction that the order of inputs could turn. Then all assignments give the same outputs, and outputs that differ
prove that none makes the functions equal. Equal ones prove nothing, but for necks as small as these they are strong
evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from unittest.mock import patch
from zlib import crc32

import torch
from torch import Tensor, nn

from nas.models import Neck
from nas.necks.canonical import canonical
from nas.necks.spec import NeckSpec

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
"""Layers whose vectors have a number for each channel."""

_GAIN = 2.0
"""So that maps neither fade nor grow much over a dozen of layers."""


@dataclass(frozen=True)
class Function:
    """All parameters by their owner's class, their name and shape, sorted; and the outputs under tied weights."""

    parameters: tuple[tuple[str, str, tuple[int, ...]], ...]
    outputs: tuple[Tensor, ...]

    def agrees(self, other: Function) -> bool:
        """Whether the outputs are equal to rounding."""
        return len(self.outputs) == len(other.outputs) and all(
            x.shape == y.shape and torch.allclose(x, y, rtol=1e-8, atol=1e-8 * float(y.abs().max()))
            for x, y in zip(self.outputs, other.outputs, strict=True)
        )

    def is_the_same(self, other: Function) -> bool:
        """Whether the two are equal."""
        return self.parameters == other.parameters and self.agrees(other)


def function(neck: NeckSpec, channels: Mapping[int, int], side: int = 64, *, as_written: bool = False) -> Function:
    """What a neck computes from maps of an image of `side` pixels; `as_written`: not in its canonical form."""
    build = patch("nas.models.neck.canonical", lambda spec: spec) if as_written else nullcontext()
    with build:
        module = tied(Neck(neck, channels)).double().eval()
    assert len(module.nodes) == len((neck if as_written else canonical(neck)).nodes)
    given = {f"p{level}": _map(channels[level], -(-side // 2**level)) for level in neck.inputs}
    # GroupNorm and DySample ask for float32, whose rounding could pass for a difference, or hide one.
    with torch.inference_mode(), patch.object(Tensor, "float", Tensor.double):
        found = module(given, (side, side))
    outputs = (found,) if isinstance(found, Tensor) else tuple(found.values())
    return Function(
        tuple(sorted((*_kind(module, name), tuple(p.shape)) for name, p in module.named_parameters())), outputs
    )


def tied(module: nn.Module) -> nn.Module:
    """`module` with random weights and statistics that all tensors of one kind and shape have in common."""
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            path, _, kind = name.rpartition(".")
            if kind not in ("num_batches_tracked", "kernel"):
                tensor.copy_(_numbers(tensor, kind, _alike(module.get_submodule(path), tensor, path)))
    return module


def _kind(module: nn.Module, name: str) -> tuple[str, str]:
    path, _, last = name.rpartition(".")
    return type(module.get_submodule(path)).__name__, last


def _numbers(tensor: Tensor, kind: str, alike: tuple[int, ...]) -> Tensor:
    rng = torch.Generator().manual_seed(crc32(repr((kind, tuple(tensor.shape))).encode()))
    shape = [1 if d in alike else n for d, n in enumerate(tensor.shape)]
    x = torch.randn(shape, generator=rng).expand(tensor.shape)
    if tensor.ndim > 1:
        return _GAIN * x / tensor.shape[alike[-1]] / tensor[0, 0].numel() ** 0.5
    # A variance is positive; so is EfficientDet's weight of an input, or it would count for nothing.
    return x.abs() + 0.5 if alike or kind == "running_var" else x


def _alike(owner: nn.Module, tensor: Tensor, path: str) -> tuple[int, ...]:
    """Dimensions that stand for inputs, or for the channels of several inputs side by side."""
    if path.endswith("excite"):  # of SKNet's attention: the channels of each input, one input after the other
        return tuple(range(min(2, tensor.ndim)))
    if tensor.ndim == 1:
        return () if isinstance(owner, _LAYERS) else (0,)
    if isinstance(owner, nn.ConvTranspose2d):
        return (0,)
    return (0, 1) if isinstance(owner, nn.Conv2d) and owner.groups > 1 else (1,)


def _map(width: int, side: int) -> Tensor:
    """A map with something that all its channels share: their sum, too, is as large as they are."""
    rng = torch.Generator().manual_seed(width + side)
    return torch.randn(1, 1, side, side, generator=rng).double() + torch.randn(1, width, side, side, generator=rng)
