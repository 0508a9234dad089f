"""The page of operators: each with its formula, source and cost, as the code has them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from docs.tables import cell, table
from nas.models import blocks, fuse, resample
from nas.models.repvgg import deployed
from nas.necks import operators
from nas.necks.spec import ConvSpec

WIDTH, CELLS = 64, 32
"""The maps on which operators are counted: their channels, and cells a side."""


def page() -> str:
    """Every operator, with its formula, source and cost."""
    fusions = [_operator(n, w.about, fuse.FUSIONS[n](WIDTH, 2), 2) for n, w in operators.FUSIONS.items()]
    ups = [
        _operator(n, w.about, resample.UPSAMPLINGS[n](WIDTH, WIDTH, 1), size=2)
        for n, w in operators.UPSAMPLINGS.items()
    ]
    downs = [
        _operator(n, w.about, resample.DOWNSAMPLINGS[n](WIDTH, WIDTH, 1), size=0.5)
        for n, w in operators.DOWNSAMPLINGS.items()
    ]
    convs = [
        _operator(n, w.about, blocks.ConvNormAct(ConvSpec(kind=n), WIDTH, WIDTH)) for n, w in operators.BLOCKS.items()
    ]
    head = ["operator", "in words", "formula", "params", "MACs", "source"]
    words = {"Norms": operators.NORMS, "Activations": operators.ACTIVATIONS, "Order": operators.ORDERS}
    small = [f"## {title}\n\n{_words(known)}\n" for title, known in words.items()]
    return f"""# Operators

The words that a neck is written in. Costs are counted on maps of {WIDTH} channels and {CELLS} x {CELLS} cells, for one
step of two where a map is resampled: multiply-accumulates of convolutions and matrix products, as everywhere here.
A RepVGG block counts in its deployed form, as one convolution.
Packages can [add operators](../how-to/plugins.md).

## Fusions

Two maps of one size become one. `x_0` is the first.

{table(head, fusions)}

## Upsampling

{table(head, ups)}

## Downsampling

{table(head, downs)}

## Blocks

A block stands behind a fusion, or projects a map.

{table(head, convs)}

{chr(10).join(small)}"""


def _words(known: Mapping[str, str]) -> str:
    return table(["word", "what it is"], [f"| `{word}` | {cell(about)} |" for word, about in known.items()])


def _operator(name: str, about: str, module: nn.Module, inputs: int = 1, size: float = 1) -> str:
    formula, source = _formula(module)
    params, macs = _cost(module, inputs, size)
    cells = [f"`{name}`", cell(about), f"`{formula}`" if formula else "-", f"{params:,}", f"{macs / 1e6:.2f} M"]
    return f"| {' | '.join([*cells, cell(source) or '-'])} |"


def _formula(module: nn.Module) -> tuple[str, str]:
    """The first equation of the docstring of our own class inside, and its source."""
    for part in module.modules():
        text = inspect.getdoc(type(part)) or ""
        if type(part).__module__.startswith("nas.models") and type(part).__name__ != "Steps":
            first = text.partition("\n")[0]
            formula = re.match(r"(?:\(.*?\) -> |y\w* = |x \+ |join\()[^:;.]*(?:\.\d[^:;.]*)*", first)
            source = re.search(r"Source:\s*(.*?)(?:\n\s*\n|\Z)", text, re.DOTALL)
            return formula[0].strip() if formula else "", " ".join(source[1].split()) if source else ""
    return "", ""


def _cost(module: nn.Module, inputs: int, size: float) -> tuple[int, int]:
    maps = [torch.zeros(1, WIDTH, CELLS, CELLS) for _ in range(inputs)]
    side = int(CELLS * size)
    module = deployed(module.eval())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if inputs > 1:
            module(maps)
        elif size != 1:
            module(maps[0], (side, side))
        else:
            module(maps[0])
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2
