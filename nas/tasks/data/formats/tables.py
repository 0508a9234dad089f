"""The tables and lists that Roboflow and Kaggle hand out: a CSV file with a row an object, and CreateML's JSON.

CSV has the columns of TensorFlow's object detection tutorial: filename, width, height, class, xmin, ymin, xmax, ymax.
CreateML has boxes by their centre and size, in pixels. Images lie beside the file, or in `images/`. A folder of its own
for train, val and test is a part; so is the name of a file, as train.csv or val_labels.csv.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.tasks.data.formats.base import Format, Found, Record, below, folder_part, head, part_name, read_json
from nas.tasks.data.formats.shapes import number

_CREATEML = rb'\W*\[\s*\{\s*"(image"\s*:\s*"[^"]*"\s*,\s*"annotations"|annotations"\s*:\s*\[.*"coordinates")'
_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")


def _bases(file: Path, root: Path) -> tuple[Path, ...]:
    part = _part(file, root)
    return (
        file.parent,
        file.parent / "images",
        *((root / "images" / part, root / part) if part else ()),
        root / "images",
    )


def _part(file: Path, root: Path) -> str:
    named = re.split(r"[_.\-]", file.stem.lower())
    return folder_part(file, root) or next((part for word in named if (part := part_name(word))), "")


class Csv(Format):
    """Folders with `_annotations.csv` or the like."""

    title = "CSV folder"
    wanted = f"a CSV file with the columns {', '.join(_COLUMNS)}"
    what = "row"
    outlined = False

    def files(self, root: Path) -> list[Path]:
        return [path for path in below(root, ".csv") if set(_COLUMNS) - {"width", "height"} <= set(_header(path))]

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        rows: dict[str, list[dict[str, str]]] = {}
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for line, row in enumerate(csv.DictReader(stream), start=2):
                if row.get("filename"):
                    rows.setdefault(row["filename"], []).append({**row, "line": str(line)})
        yield from rows.items()

    def record(self, image: Any, file: Path, root: Path) -> Record:
        first = image[0]
        sizes = {(row.get("width"), row.get("height")) for row in image}
        if len(sizes) > 1:
            raise ValueError(f"an image of {len(sizes)} sizes, in line {first['line']} and others")
        return Record(
            image=first["filename"],
            bases=_bases(file, root),
            objects=image,
            width=first.get("width"),
            height=first.get("height"),
            part=_part(file, root),
        )

    def shape(self, item: Any, record: Record) -> Found | None:
        if not any(item[key] for key in ("class", "xmin", "ymin", "xmax", "ymax")):
            return None  # an image without objects
        x0, y0, x1, y1 = (number(item[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
        return Found(item["class"], (x0, y0, x1, y1))


class CreateMl(Format):
    """Folders with `_annotations.createml.json` or the like."""

    title = "CreateML folder"
    wanted = "a JSON file that lists image and annotations"
    what = "annotation"
    outlined = False

    def files(self, root: Path) -> list[Path]:
        return [path for path in below(root, ".json") if re.match(_CREATEML, head(path), re.DOTALL)]

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        for entry in read_json(file):
            yield str(entry.get("image")) if isinstance(entry, dict) else "entry", entry

    def record(self, image: Any, file: Path, root: Path) -> Record:
        return Record(
            image=image["image"], bases=_bases(file, root), objects=image["annotations"], part=_part(file, root)
        )

    def shape(self, item: Any, record: Record) -> Found | None:
        x, y, width, height = (number(item["coordinates"][key]) for key in ("x", "y", "width", "height"))
        return Found(item["label"], (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def _header(path: Path) -> list[str]:
    line = head(path).decode("utf-8-sig", "replace").partition("\n")[0].strip()
    return [name.strip('" ') for name in line.split(",")]
