"""Images that a file lists, and what is reported of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.tasks.data.faults import Faults
from nas.tasks.data.image_names import ImageNames
from nas.tasks.data.named_files import NamedFiles


@pytest.fixture
def names(tmp_path: Path) -> ImageNames:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    return ImageNames(NamedFiles(tmp_path), (tmp_path,), "list.txt")


def test_what_lies_elsewhere_is_noted(names: ImageNames, tmp_path: Path) -> None:
    faults = Faults()
    assert names.path("1.jpg") == tmp_path / "1.jpg"
    assert names.path("a/2.jpg") == tmp_path / "2.jpg"
    assert names.shared(faults) == set()
    assert faults.total == 0
    assert faults.notes == [
        "list.txt: 1 names of images are read without their folders or in another spelling, such as a/2.jpg as 2.jpg"
    ]


def test_an_image_that_several_names_lead_to_is_not_used(names: ImageNames, tmp_path: Path) -> None:
    faults = Faults()
    for name in ("a/1.jpg", "b/1.jpg", "2.jpg", "2.jpg"):
        names.path(name)
    assert names.shared(faults) == {tmp_path / "1.jpg"}
    assert faults.counts == {"image file that several names lead to": 1}
    assert "list.txt, a/1.jpg and b/1.jpg" in faults.summary()


@pytest.mark.parametrize("name", ["gone.jpg", "../gone.jpg", "/etc/hostname", "../../../../../../etc/hostname"])
def test_a_missing_image_is_nowhere(names: ImageNames, tmp_path: Path, name: str) -> None:
    path = names.path(name)
    assert not path.exists()
    assert path.is_relative_to(tmp_path)
