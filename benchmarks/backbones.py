"""Which timm families work as backbones? Tries one small member of each that returns features (docs/backbones.md).

    python benchmarks/backbones.py [NAME ...] > backbones.csv

Without names, the member with the fewest parameters of each of timm's modules is found on the meta device (about half
an hour). Each line is the result of random weights and a forward pass on a CPU.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections import defaultdict

import timm
import torch

from nas.errors import UserError
from nas.models.backbone import Backbone, channels_of, check_maps
from nas.necks.architecture import BackboneSpec

SIZES = (64, 128, 224, 256)
"""Sides of images to try, in pixels. The first that the model accepts decides."""


def smallest() -> list[str]:
    """The member with the fewest parameters of each module of timm."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for module in timm.list_modules():
        for name in timm.list_models(module=module):
            with torch.device("meta"):
                model = timm.create_model(name)
            found[module].append((sum(p.numel() for p in model.parameters()), name))
    return [min(members)[1] for _, members in sorted(found.items())]


def verdict(name: str) -> tuple[str, str]:
    """Levels with their channels, and the size of images that worked or the message of the refusal."""
    try:
        channels = channels_of(name)
    except UserError as error:
        return "", str(error)
    spec = BackboneSpec(name=name, levels=tuple(sorted(channels)))
    levels = " ".join(f"P{level}:{width}" for level, width in sorted(channels.items()))
    for size in SIZES:
        try:
            check_maps(spec, size)
        except UserError as error:
            refusal = str(error)
            continue
        with torch.no_grad():
            maps = Backbone(spec).eval()(torch.rand(1, 3, size, size))
        for level, x in zip(spec.levels, maps.values(), strict=True):
            side = -(-size // 2**level)
            assert x.shape == (1, channels[level], side, side), (name, level, tuple(x.shape))
        return levels, f"builds, tried with {size} pixels"
    return levels, refusal


def main() -> None:
    warnings.simplefilter("ignore")
    table = csv.writer(sys.stdout)
    table.writerow(["model", "levels and channels", "result"])
    for name in sys.argv[1:] or smallest():
        table.writerow([name, *verdict(name)])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
