"""The forms in which tools leave annotated images on disk, as a table: a file a tool, a row a form.

A new form is a new row. What a row's pieces hold is read by the module of its kind (`coco.py`, `voc.py`, `yolo.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nas.tasks.data.layouts import cvat, label_studio, labelimg, plain, roboflow, two_folders
from nas.tasks.data.layouts.layout import Layout, Match, Part, match
from nas.tasks.data.layouts.tree import Tree

__all__ = ["DATA_YAML", "LAYOUTS", "Layout", "Match", "Part", "find", "nearest"]

DATA_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
"""The file that describes a YOLO data set whatever its layout: see `nas.tasks.data.data_yaml`."""

LAYOUTS: tuple[Layout, ...] = (
    *plain.LAYOUTS,
    *roboflow.LAYOUTS,
    *cvat.LAYOUTS,
    *label_studio.LAYOUTS,
    *two_folders.LAYOUTS,
    *labelimg.LAYOUTS,
)
"""In the order in which they are tried: the first that a folder has counts."""


def find(root: Path, kind: str) -> Match | None:
    """The first layout of a kind that the folder has in full, or None."""
    tree = Tree(root)
    matches = (match(layout, tree) for layout in LAYOUTS if layout.kind == kind)
    return next((found for found in matches if found.complete), None)


def nearest(root: Path, kinds: Collection[str]) -> Match | None:
    """The layout of these kinds of which the folder has most, or None if it has nothing of any."""
    tree = Tree(root)
    matches = [match(layout, tree) for layout in LAYOUTS if layout.kind in kinds]
    alike = [found for found in matches if found.present and not found.excluded]
    return max(
        alike, key=lambda found: (found.complete, found.train.annotations is not None, found.share), default=None
    )
