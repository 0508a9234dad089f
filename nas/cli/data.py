"""nas data: shows what a folder of images holds, and which pyramid the sizes of its objects suggest."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from nas.cli.output import say, show
from nas.studies.spec import TaskSpec
from nas.tasks.data import DATA, MASKS
from nas.tasks.data.faults import way_out
from nas.tasks.data.mask_summary import MaskClass, MaskSummary, summarise_masks
from nas.tasks.data.summary import Figures, Summary, matching_kinds, summarise
from nas.text import heard_by, table
from nas.yaml12 import dump_yaml

_BAR = 50
_CLASSES = 20
_PLACES = 20


def run(args: argparse.Namespace) -> int:
    classes = tuple(args.classes.split(",")) if args.classes is not None else None
    masks = {kind: MASKS[kind] for kind in MASKS if kind not in DATA}
    kind, *others = (args.kind,) if args.kind is not None else matching_kinds(args.folder, classes, masks | dict(DATA))
    if others:
        say(f"{args.folder} is read as {kind}; its layout also fits --kind {' or '.join(others)}")
    source = {"kind": kind, "root": args.folder, "classes": classes}
    source |= {key: own for key in ("channels", "tile") if (own := getattr(args, key)) is not None}
    size = {} if args.image_size is None else {"image_size": args.image_size}
    task = TaskSpec.parse({"kind": "segmentation" if kind in masks else "detection", "data": source} | size)
    found: Summary | MaskSummary
    if kind in masks:
        with heard_by(say):
            found = summarise_masks(task.data, task.image_size)
        contents, proposal = [_mask_parts(found), _mask_classes(found)], [_mask_levels(found)]
    else:
        with heard_by(say):
            found = summarise(task.data, task.image_size)
        contents, proposal = [_parts(found), _classes(found)], [_pyramid(found), _anchors(found)]
    blocks = [*contents, _sizes(found), *([_faults(found)] if found.faults else []), *proposal, _study(found.study)]
    head = [f"{found.root}: {found.kind}; train and val: {found.split}", *(f"note: {note}" for note in found.notes)]
    lines = [*head, *(line for block in blocks for line in ("", *block))]
    show(args, found.model_dump(mode="json") | {"study": found.study}, lines)
    return 0


def _parts(found: Summary) -> Iterator[str]:
    rows = [["", "images", "without objects", "objects", "crowd or difficult"]]
    for name, part in (("train", found.train), ("val", found.val), ("test", found.test)):
        if part is not None:
            rows.append([name, *(f"{n:,}" for n in (part.images, part.empty, part.boxes, part.crowd))])
    yield table(rows)


def _classes(found: Summary) -> Iterator[str]:
    head, rows = ["class", "train", "val"], [[c.name[:60], f"{c.train:,}", f"{c.val:,}"] for c in found.classes]
    if found.test is not None:
        head, rows = [*head, "test"], [[*row, f"{c.test:,}"] for row, c in zip(rows, found.classes, strict=True)]
    yield from _class_table(head, rows)


def _mask_parts(found: MaskSummary) -> Iterator[str]:
    rows = [["", "images", "without objects", "objects", "void pixels"]]
    for name, part in (("train", found.train), ("val", found.val), ("test", found.test)):
        if part is not None:
            rows.append([name, f"{part.images:,}", f"{part.empty:,}", f"{part.objects:,}", _percent(part.void)])
    yield table(rows)


def _mask_classes(found: MaskSummary) -> Iterator[str]:
    """Shares of the pixels that are not void, and numbers of connected objects."""
    background, *classes = found.classes
    others = ["in val"] if found.test is None else ["in val", "in test"]

    def row(c: MaskClass) -> list[str]:
        shares, objects = (c.train, c.val, c.test), (c.train_objects, c.val_objects, c.test_objects)
        count = 1 + len(others)
        return [c.name[:60], *map(_percent, shares[:count]), *(f"{n:,}" for n in objects[:count])]

    head = ["class", "pixels in train", *others, "objects in train", *others]
    first = row(background)[: 2 + len(others)] + [""] * (1 + len(others))
    yield from _class_table(head, list(map(row, classes)), first=first)


def _class_table(head: list[str], rows: list[list[str]], first: list[str] | None = None) -> Iterator[str]:
    yield table([head, *([first] if first is not None else []), *rows[:_CLASSES]])
    if len(rows) > _CLASSES:
        yield f"and {len(rows) - _CLASSES} more classes, see --json"


def _sizes(found: Figures) -> Iterator[str]:
    width, height = found.median_size
    most, total = max(b.boxes for b in found.bins), sum(b.boxes for b in found.bins)
    at = f"at {found.image_size} x {found.image_size} (the median image has {width} x {height})"
    yield f"sqrt(area) of the objects, in pixels {at}:"
    rows = []
    for b in found.bins:
        bar = "#" * (max(1, round(_BAR * b.boxes / most)) if b.boxes else 0)
        rows.append([f"{_pixels(b.low)} to {_pixels(b.high)}", f"{b.boxes:,}", _percent(b.boxes / total), bar])
    yield table(rows)


def _faults(found: Figures) -> Iterator[str]:
    """Every kind of fault with its count, and the first places."""
    left = _PLACES
    yield f"{sum(found.faults.values()):,} faults, left out or repaired:"
    for kind, count in found.faults.items():
        yield f"  {count:,} x {kind}{way_out(kind)}"
        places = found.examples[kind][:left]
        yield from (f"      {place}" for place in places)
        if places and count > len(places):
            yield "      ..."
        left -= len(places)


def _pyramid(found: Summary) -> Iterator[str]:
    pyramid = found.pyramid
    yield f"proposed: {pyramid.levels} levels from P{pyramid.finest}, head_scale {pyramid.head_scale:g}"
    rows = [["level", "long side in pixels", "share", "at head_scale 1"]]
    for k, (share, published) in enumerate(zip(pyramid.shares, found.published.shares, strict=True)):
        low, high = pyramid.side_range(pyramid.finest + k)
        rows.append([f"P{pyramid.finest + k}", f"{low:.0f} to {high:.0f}", _percent(share), _percent(published)])
    yield table(rows)
    yield f"{_percent(pyramid.covered)} of the training objects are in these ranges; the outer levels take the rest"
    if pyramid.smaller > 0.1:
        yield f"{_percent(pyramid.smaller)} are smaller: they need larger images (--image-size)"


def _anchors(found: Summary) -> Iterator[str]:
    sizes = [f"{w:.3g} x {h:.3g}" for w, h in found.anchors.sizes]
    yield f"anchors (k-means by IoU), with a mean best IoU of {found.anchors.mean_best_iou:.2f}:"
    yield from ("  " + ", ".join(sizes[k : k + 6]) for k in range(0, len(sizes), 6))


def _mask_levels(found: MaskSummary) -> Iterator[str]:
    levels = found.levels
    yield f"proposed: {levels.levels} levels from P{levels.finest}"
    yield f"{_percent(levels.drawn)} of the training objects are 2 cells wide or more on P{levels.finest}"
    yield f"{_percent(levels.seen)} are no longer than 4 cells of P{levels.finest + levels.levels - 1}"
    if levels.drawn < 0.9:
        yield "the others need larger images (--image-size)"


def _study(study: dict[str, Any]) -> Iterator[str]:
    yield "# a study to start from: arithmetic on sizes, which only training can confirm"
    yield dump_yaml(study).rstrip()


def _pixels(size: float) -> str:
    """A size in two digits: one does not distinguish steps of a square root of two."""
    return f"{size:.0f}" if size > 9.5 else f"{size:.1f}".removesuffix(".0")


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
