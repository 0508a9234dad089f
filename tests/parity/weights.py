"""Weights carried from published code to a built neck, and the comparison of what both compute."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.models import Neck
from nas.necks.describe import map_names


def scrambled(module: nn.Module) -> nn.Module:
    """`module` in eval mode with every weight and statistic at random: what starts equal proves nothing."""
    torch.manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.rand_like(p) + 0.5 if p.dim() < 2 else torch.randn_like(p) / p[0].numel() ** 0.5)
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand_like(buffer) + 0.5 if name.endswith("var") else torch.randn_like(buffer) / 10)
    return module.eval()


def copy(ours: nn.Module | None, theirs: nn.Module) -> None:
    """Give `ours` the state of `theirs`, tensor by tensor in their order."""
    assert ours is not None
    mine, given = ours.state_dict(), list(theirs.state_dict().values())
    assert [x.shape for x in mine.values()] == [x.shape for x in given], (ours, theirs)
    ours.load_state_dict(dict(zip(mine, given, strict=True)))


def rolled(conv: nn.Conv2d, first: int) -> nn.Conv2d:
    """`conv` for inputs whose `first` channels come last instead: concatenations are sorted in the canonical form."""
    weight = torch.cat([conv.weight[:, first:], conv.weight[:, :first]], dim=1)
    conv.weight.data = weight
    return conv


def by_name(neck: Neck) -> dict[str, Any]:
    """The nodes' modules under the names of `nas.necks.describe`: P3, M4.1."""
    return dict(zip(map_names(neck.spec)[len(neck.spec.inputs) :], neck.nodes, strict=True))


def lateral(neck: Neck, level: int) -> nn.Module:
    """The one projection of the backbone's map of `level`."""
    source = neck.spec.inputs.index(level)
    found = [e.project for n in neck.nodes for e in n.edges if e.source == source and e.project is not None]
    assert len(found) == 1
    return found[0]


def signature(level: int, inputs: Iterable[str]) -> str:
    """What a node is by its level and by what it takes: the same in any order of nodes and inputs."""
    return hashlib.sha256(f"{level} {sorted(inputs)}".encode()).hexdigest()


def signatures(neck: Neck) -> list[str]:
    """Of each map its signature; C3 of a map of the backbone."""
    found = [f"C{level}" for level in neck.spec.inputs]
    for node in neck.spec.nodes:
        found.append(signature(node.level, (found[e.source] for e in node.inputs)))
    assert len(set(found)) == len(found)
    return found


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def maps(channels: Mapping[int, int], side: int = 256) -> dict[str, Tensor]:
    """Random maps by name for images of `side` pixels."""
    torch.manual_seed(1)
    return {f"p{level}": torch.randn(2, c, side >> level, side >> level) for level, c in channels.items()}


def assert_same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    """Rounding difference at most."""
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)
