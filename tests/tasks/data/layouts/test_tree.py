"""Files and folders by patterns, in any case."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.tasks.data.layouts.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in ("Annotations/a.XML", "annotations/b.json", "Images/c.txt", "d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("annotations/", "annotations"),  # just this case comes first
        ("Annotations/", "Annotations"),
        ("ANNOTATIONS/*.xml", "Annotations"),
        ("images/", "Images"),
        ("images/c.txt", "Images/c.txt"),
        ("images/C.TXT", "Images/c.txt"),
        ("*.JPG", "."),
        ("/", "."),
        ("images/*.xml", None),
        ("images", None),  # a file is meant
        ("d.jpg/", None),  # a folder is meant
        ("d.jpg/*.xml", None),
        ("gone/x.json", None),
    ],
)
def test_patterns(tree: Tree, pattern: str, found: str | None) -> None:
    assert tree.look_up(pattern) == (tree.root / found if found is not None else None)
