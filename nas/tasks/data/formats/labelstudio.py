"""Label Studio: the JSON export, a file with all tasks, and its shorter form, JSON_MIN.

Coordinates are in percent of the image; a rotation is clockwise about the top left corner of the box. Of several
annotations of a task the one marked as ground truth counts, else the first that was not cancelled.
Sources: https://labelstud.io/guide/task_format, https://labelstud.io/tags/rectanglelabels
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nas.tasks.data.formats.base import Format, Found, NoBox, Record, head, listed, read_json
from nas.tasks.data.formats.brush import unpacked
from nas.tasks.data.formats.shapes import ellipse, number, polygon, turned_box
from nas.tasks.data.named_files import is_array, is_image
from nas.tasks.data.outlines import Bitmap, Corners, box_of_bits

_MARKS = rb'"(data"\s*:\s*\{|original_width"|annotation_id")'


class LabelStudio(Format):
    """Projects as Label Studio exports them."""

    title = "Label Studio export"
    wanted = "a JSON file of tasks (the export formats JSON and JSON-MIN)"
    what = "region"

    def files(self, root: Path) -> list[Path]:
        return [path for path in listed(root, ".json") if _lists_tasks(path)]

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        for k, task in enumerate(read_json(file), start=1):
            yield f"task {task.get('id', k) if isinstance(task, dict) else k}", task

    def record(self, image: Any, file: Path, root: Path) -> Record | None:
        regions = _regions(image)
        if regions is None:
            return None
        sized = next((region for region in regions if region.get("original_width")), {})
        data = image.get("data", image)
        return Record(
            image=_image_name(data),
            bases=(root / "images", root),
            objects=regions,
            width=sized.get("original_width"),
            height=sized.get("original_height"),
            relative=True,
            part=str(data.get("split") or data.get("subset") or ""),
        )

    def shape(self, item: Any, record: Record) -> Found | None:
        value = item.get("value", item)
        found = next((own for key, own in value.items() if key.endswith("labels") and isinstance(own, list)), None)
        if not _has_place(value) or (found is None and item.get("labelled")):
            return None
        if found is not None and len(found) > 1:
            raise ValueError(f"{len(found)} classes: {', '.join(map(str, found))}")
        if number(item.get("image_rotation", 0)) % 360:
            raise ValueError("the image was turned while it was annotated")
        return _place(value, item)._replace(label=found[0] if found else None)


def _lists_tasks(path: Path) -> bool:
    return re.match(rb"\W*\[\s*\{", start := head(path)) is not None and re.search(_MARKS, start) is not None


def _image_name(data: Mapping[str, Any]) -> str:
    """The text among a task's data that names an image file."""
    texts = [own for own in data.values() if isinstance(own, str)]
    files = [(text, Path(text.partition("?d=")[2] or text.partition("?")[0])) for text in texts]
    named = [text for text, path in files if is_image(path)] or [text for text, path in files if is_array(path)]
    if len(set(named)) != 1:
        raise ValueError(f"{len(set(named))} images in the data of a task")
    return named[0]


def _regions(task: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """What is annotated in a task; None if nobody has."""
    if "data" not in task:  # JSON_MIN has the values alone, by the names of the tags
        lists = [own for own in task.values() if isinstance(own, list)]
        regions = [region for own in lists for region in own if isinstance(region, dict) and _has_place(region)]
        return regions if lists or task.get("annotation_id") is not None else None
    done = [own for own in task.get("annotations") or () if not own.get("was_cancelled")]
    if not done:
        return None
    chosen = next((own for own in done if own.get("ground_truth")), done[0])
    regions = [dict(region) for region in chosen["result"] if isinstance(region.get("value"), dict)]
    # A control without classes and one with them write a region each, with one id.
    classed = {region.get("id") for region in regions if any(key.endswith("labels") for key in region["value"])}
    for region in regions:
        region["labelled"] = region.get("id") is not None and region["id"] in classed
    return regions


def _has_place(value: Mapping[str, Any]) -> bool:
    return "rle" in value or "points" in value or "x" in value or "vertices" in value


def _place(value: Mapping[str, Any], item: Mapping[str, Any]) -> Found:
    """Corners and outline of a region, in shares of the image's sides."""
    if "vertices" in value:
        raise NoBox("line, which has no box")
    if "rle" in value:
        return _brush(value, item)
    if "points" in value:
        corners, rings = polygon(value["points"])
        return Found("", _share(corners), [[x / 100 for x in ring] for ring in rings])
    if "radiusX" in value or "width" not in value or "height" not in value:
        return _round(value, item)
    x, y, width, height = (number(value[key]) for key in ("x", "y", "width", "height"))
    angle = number(value.get("rotation", 0))
    if angle % 360 == 0:
        return Found("", _share((x, y, x + width, y + height)))
    across, down = _sides(value, item)
    x0, y0, x1, y1 = x * across, y * down, (x + width) * across, (y + height) * down
    turned = turned_box(x0, y0, x1, y1, (x0, y0), angle)
    return Found("", _share(_undone(turned, across, down)), around="rotated boxes")


def _round(value: Mapping[str, Any], item: Mapping[str, Any]) -> Found:
    if "radiusX" not in value:
        raise NoBox("keypoints, which have no box")
    x, y, rx, ry = (number(value[key]) for key in ("x", "y", "radiusX", "radiusY"))
    angle = number(value.get("rotation", 0))
    across, down = _sides(value, item) if angle % 180 else (1.0, 1.0)
    corners, rings = ellipse(x * across, y * down, rx * across, ry * down, angle)
    scale = (1 / (100 * across), 1 / (100 * down))
    return Found("", _share(_undone(corners, across, down)), [[v * scale[k % 2] for k, v in enumerate(rings[0])]])


def _brush(value: Mapping[str, Any], item: Mapping[str, Any]) -> Found:
    across, down = _sides(value, item)
    data = bytes(value["rle"]), int(across), int(down)
    x0, y0, x1, y1 = box_of_bits(unpacked(data))
    return Found("", (x0 / across, y0 / down, x1 / across, y1 / down), Bitmap((0.0, 0.0, 1.0, 1.0), unpacked, data))


def _sides(value: Mapping[str, Any], item: Mapping[str, Any]) -> tuple[float, float]:
    """Width and height of the image, which a rotation and a brush need."""
    return number(item["original_width"]), number(item["original_height"])


def _share(corners: Corners) -> Corners:
    x0, y0, x1, y1 = corners
    return x0 / 100, y0 / 100, x1 / 100, y1 / 100


def _undone(corners: Corners, across: float, down: float) -> Corners:
    x0, y0, x1, y1 = corners
    return x0 / across, y0 / down, x1 / across, y1 / down
