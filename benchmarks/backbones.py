"""Which timm families work as backbones? Tries one small member of each that returns features (docs/backbones.md).

    python benchmarks/backbones.py [NAME ...] >> backbones.csv
    python benchmarks/backbones.py --shapes [NAME ...] >> backbones.csv
    python benchmarks/backbones.py --markdown backbones.csv

Without names, the member with the fewest parameters of each of timm's modules is found on the meta device (about half
an hour). Each line is the result of random weights on a CPU at 128 pixels: a detector with an FPN is built, run forward
and backward, exported to ONNX, and the file is compared with torch. Names that the CSV holds already can be left out of
a second call, so that a long run can be made in parts. `--shapes` only compares the maps with their levels, on the meta
device: seconds a model instead of a minute.
"""

from __future__ import annotations

import csv
import math
import sys
import warnings
from collections import defaultdict
from typing import Any

import timm
import torch

from nas.errors import UserError, first_line
from nas.exports.graphs import Deployed, onnx
from nas.models import build
from nas.models.backbone import channels_of, check_maps, fitted, on_backbone, plain_level
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.scales import simple_levels
from nas.necks.topologies import fpn

SIZE = 128
"""Side of the images in pixels."""

COLUMNS = ("module", "model", "params", "maps", "forward", "backward", "onnx", "note")


def smallest() -> list[str]:
    """The member with the fewest parameters of each module of timm."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for module in timm.list_modules():
        for name in timm.list_models(module=module):
            with torch.device("meta"):
                model = timm.create_model(name)
            found[module].append((sum(p.numel() for p in model.parameters()), name))
    return [min(members)[1] for _, members in sorted(found.items())]


def verdict(name: str, shapes: bool) -> dict[str, str]:
    """A line of the table; a refusal or an error is its `note`."""
    with torch.device("meta"):
        model = timm.create_model(name)
    params = sum(p.numel() for p in model.parameters())
    row = {
        "module": type(model).__module__.removeprefix("timm.models."),
        "model": name,
        "params": f"{params / 1e6:.1f}",
    }
    try:
        architecture = detector(name)
    except UserError as error:
        return row | {"note": str(error)}
    spec = architecture.backbone
    widths = channels_of(name)
    row["maps"] = " ".join(f"P{level}:{width}" for level, width in sorted(widths.items()))
    made = [f"image_size={spec.image_size}"] * (spec.image_size is not None)
    made += [f"patch_size={spec.patch_size}"] * (spec.patch_size is not None)
    row["note"] = ", ".join(made)
    if shapes:
        return row | {"forward": "shapes"}
    steps: dict[str, Any] = {"forward": forward, "backward": backward, "onnx": lambda m: onnx(Deployed(m))}
    torch.manual_seed(0)
    model = build(architecture)
    for step, run in steps.items():
        try:
            run(model)
            row[step] = "yes"
        except Exception as error:  # models and exporters raise many kinds
            return row | {step: "no", "note": f"{type(error).__name__}: {first_line(error)}"}
    return row


def detector(name: str) -> Architecture:
    """A detector with an FPN on a backbone's levels from P2 on.

    Raises:
        UserError: the backbone cannot be used, or not at this image size.
    """
    plain = plain_level(name)
    levels = tuple(x for x in sorted(channels_of(name)) if x >= 2) if plain is None else simple_levels(plain)
    neck = on_backbone(fpn(tuple(x for x in levels if SIZE >> x >= 2), 16), name)
    spec = fitted(BackboneSpec(name=name).taken_by(neck), SIZE)
    check_maps(spec, SIZE)
    return Architecture(backbone=spec, neck=neck, head=HeadSpec(classes=("thing",)), image_size=SIZE)


def forward(model: Any) -> None:
    with torch.no_grad():
        model.eval().raw(torch.rand(1, 3, SIZE, SIZE))


def backward(model: Any) -> None:
    """Gradients reach the backbone, and are finite."""
    maps = model.train().pyramid(model.backbone(torch.rand(2, 3, SIZE, SIZE)))
    sum(x.square().mean() for x in maps).backward()
    gradients = [p.grad for p in model.backbone.parameters() if p.grad is not None]
    total = sum(float(g.abs().sum()) for g in gradients)
    assert 0 < total < math.inf, f"the sum of the backbone's gradients is {total}"


def markdown(path: str) -> None:
    """Print the tables of docs/backbones.md."""
    with open(path, newline="") as file:
        rows = sorted(csv.DictReader(file, COLUMNS), key=lambda row: row["module"])
    rows = [row for row in rows if row["model"] != "model"]
    parts = [
        ("They work", ("module", "model", "params", "maps", "note"), [r for r in rows if r["onnx"] == "yes"]),
        (
            "Their maps fit",
            ("module", "model", "params", "maps", "note"),
            [r for r in rows if r["forward"] == "shapes"],
        ),
        (
            "They train, and their ONNX file is refused",
            ("module", "model", "params", "note"),
            [r for r in rows if r["onnx"] == "no"],
        ),
        (
            "They do not train",
            ("module", "model", "params", "note"),
            [r for r in rows if "no" in (r["forward"], r["backward"])],
        ),
        ("They are refused", ("module", "model", "params", "note"), [r for r in rows if not r["forward"]]),
    ]
    for title, columns, chosen in parts:
        if chosen:
            print(f"## {title}: {len(chosen)}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
            for row in chosen:
                print(f"| {' | '.join(row[c].replace('|', '/') for c in columns)} |")
            print()


def main() -> None:
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--markdown"]:
        markdown(sys.argv[2])
        return
    table = csv.DictWriter(sys.stdout, COLUMNS, restval="")
    shapes = sys.argv[1:2] == ["--shapes"]
    for name in sys.argv[1 + shapes :] or smallest():
        table.writerow(verdict(name, shapes))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
