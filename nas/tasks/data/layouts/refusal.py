"""Two lines on a folder that cannot be read: what it is most like, and what it lacks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nas.tasks.data.layouts import DATA_YAML, find, nearest

_KINDS = ("coco", "voc", "yolo", "masks")
_DOCS = "docs/data.md lists the layouts that are read"


def refusal(root: str, kinds: Collection[str]) -> str:
    """Why no layout of `kinds` was found in the folder `root`, and the way out, in two lines."""
    folder = Path(root)
    inner = _only_folder(folder)
    within = _kind_of(inner, kinds) if inner is not None else None
    if inner is not None and within is not None:
        return f"{root} is not the data set itself, but its folder {inner.name} is a {within[1]}:\n  name {inner}"
    other = _kind_of(folder, [kind for kind in _KINDS if kind not in kinds])
    if other is not None:
        return f"{root} is no {_or(kinds)} data, but a {other[1]}:\n  read it as such, by the kind {other[0]}"
    like = nearest(folder, kinds)
    if like is None:
        return f"{root} has no annotated images of the kind {_or(kinds)} in any layout that is read:\n  {_DOCS}"
    there = f"{root} is most like a {like.layout.name}, for it has {like.present[0].relative_to(folder)}, but lacks"
    return f"{there}\n  {' and '.join(like.missing)}; {_DOCS}"


def _kind_of(folder: Path, kinds: Collection[str]) -> tuple[str, str] | None:
    """A kind of data that the folder is, and the name of its layout."""
    if "yolo" in kinds and any((folder / name).is_file() for name in DATA_YAML):
        return "yolo", "YOLO folder with data.yaml"
    found = next((match for kind in kinds if (match := find(folder, kind)) is not None), None)
    return (found.layout.kind, found.layout.name) if found is not None else None


def _only_folder(folder: Path) -> Path | None:
    try:
        inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))]
    except OSError:
        return None
    return inside[0] if len(inside) == 1 else None


def _or(kinds: Collection[str]) -> str:
    *some, last = kinds
    return f"{', '.join(some)} or {last}" if some else last
