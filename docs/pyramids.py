"""Write docs/pyramids.md: every named neck with its drawing, its costs on this machine, and its source.

python docs/pyramids.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

from nas.executors.evaluate import machine
from nas.models import build
from nas.models.cost import latency, static_costs
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.drawing import svg
from nas.necks.spec import NeckSpec
from nas.necks.topologies import TOPOLOGIES, fpn
from nas.search_space import count, nominal_frame
from nas.studies.catalog import names, read_space
from nas.studies.metrics import format_metric

HERE = Path(__file__).parent
IMAGES = HERE / "images" / "necks"
BACKBONE, SIZE, WIDTH = "tf_efficientnet_lite0", 320, 64
"""The necks' backbone, the side of its images in pixels, and the necks' channels."""

LEVELS = (3, 4, 5)
FINER = {"seed_fpn": (1, 2, 3), "unet": (1, 2, 3, 4, 5), "upernet": (2, 3, 4, 5), "semantic_fpn": (2, 3, 4, 5)}
COARSER = ("bifpn", "qufpn", "gfpn", "fully_connected")
"""Necks that are published with two further levels."""


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    rows = [row(name) for name in TOPOLOGIES]
    about = machine("cpu")
    processor = str(about["processor"])
    text = f"""# Every named neck, and every shipped space

Written by `python docs/pyramids.py` ({processor}, one thread, {date.today():%Y-%m-%d}).
Each neck has {WIDTH} channels and takes P3 to P5 of {BACKBONE}, for images of {SIZE} x {SIZE} pixels
and without a head. Necks for other levels take those, necks that are published with two further levels have them,
and the seed has stride-2 convolutions of its own instead of the backbone. `params` and `macs` are the neck's own, in
its deployed form; in training, RepVGG blocks have more parameters, `trained params`.
`whole macs` and `latency` include the backbone. The latency is the median of 30 passes, in turn with those of an FPN
of the same width, and `against fpn` is the ratio of the two.

| neck | options | levels | params | trained params | macs | whole macs | latency | against fpn | source |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}

## Drawings

{chr(10).join(f"**{name}**{chr(10)}{chr(10)}![{name}](images/necks/{name}.svg){chr(10)}" for name in TOPOLOGIES)}
## How many necks the spaces hold

Distinct canonical necks, on a backbone with its levels up to P5 and images large enough for all
(`nas validate SPACE --json`): counted if a space has few enough, otherwise estimated without bias, with an error.

| space | encodings | distinct necks | standard error |
| --- | --- | --- | --- |
{chr(10).join(space_row(name) for name in names("search_spaces"))}
"""
    (HERE / "pyramids.md").write_text(text)


def row(name: str) -> str:
    """A line of the table; the drawing is written beside it."""
    levels = FINER.get(name, LEVELS)
    options: dict[str, object] = {"width": WIDTH} | ({"extra": 2} if name in COARSER else {})
    neck = TOPOLOGIES[name](levels, **options)
    (IMAGES / f"{name}.svg").write_text(svg(neck))
    whole = on_seed(neck) if name == "seed_fpn" else on_backbone(neck)
    costs = static_costs(whole)
    model = build(whole)
    timed = latency(model, build(on_backbone(fpn(LEVELS, WIDTH))))
    shown = ", ".join(f"{key} {value}" for key, value in options.items() if key != "width") or "-"
    outputs = " to ".join(f"P{level}" for level in sorted({neck.output_levels[0], neck.output_levels[-1]}))
    outputs = outputs if neck.merge is None else "one map"
    cells = [
        f"`{name}`",
        shown,
        outputs,
        format_metric("neck_params", costs["neck_params"]),
        format_metric("neck_params", float(sum(p.numel() for p in model.neck.parameters()))),
        *(format_metric(metric, costs[metric]) for metric in ("neck_macs", "macs")),
        f"{timed.model:.1f} ms",
        f"{timed.model / timed.reference:.2f}",
        source(TOPOLOGIES[name]),
    ]
    return f"| {' | '.join(cells)} |"


def on_backbone(neck: NeckSpec) -> Architecture:
    return Architecture(backbone=BackboneSpec(name=BACKBONE, levels=neck.inputs), neck=neck, image_size=SIZE)


def on_seed(neck: NeckSpec) -> Architecture:
    """The seed's bottom-up path: stride-2 convolutions of one width, because its laterals are identities."""
    widths = (WIDTH,) * neck.inputs[-1]
    return Architecture(backbone=BackboneSpec(levels=neck.inputs, widths=widths), neck=neck, image_size=SIZE)


def source(topology: Callable[..., NeckSpec]) -> str:
    """The text behind `Source:` in the docstring."""
    found = re.search(r"Source:\s*(.*?)(?:\n\s*\n|\Z)", inspect.getdoc(topology) or "", re.DOTALL)
    return " ".join(found[1].split()) if found else "this project's seed"


def space_row(name: str) -> str:
    space = read_space(name)
    found = count(space, nominal_frame(space))
    if found.exact:
        return f"| `{name}` | {found.encodings:,} | {found.necks:,} | counted |"
    return f"| `{name}` | {found.encodings:.3g} | {found.necks:.3g} | {found.error:.1g} |"


if __name__ == "__main__":
    main()
