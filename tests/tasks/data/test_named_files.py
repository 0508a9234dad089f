"""Files by the names that other machines give them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from nas.tasks.data.faults import Faults
from nas.tasks.data.named_files import ImageNames, NamedFiles

NFC, NFD = (unicodedata.normalize(form, "Zürich.jpg") for form in ("NFC", "NFD"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in ("images/train/x.jpg", "images/train/two words.jpg", f"images/train/{NFD}", "images/train/y.JPG"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "outside.jpg").touch()
    return root


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x.jpg", "x.jpg"),
        ("./x.jpg", "x.jpg"),
        ("images/train/x.jpg", "x.jpg"),
        ("images\\train\\x.jpg", "x.jpg"),
        ("C:\\Users\\me\\images\\train\\x.jpg", "x.jpg"),
        ("/home/me/data/x.jpg", "x.jpg"),
        ("../images/x.jpg", "x.jpg"),
        ("../../../images/train/x.jpg", "x.jpg"),
        ("/data/upload/1/two%20words.jpg", "two words.jpg"),
        ("/data/local-files/?d=images%5Ctrain%5Cx.jpg", "x.jpg"),
        ("/data/local-files/?d=images/train/x.jpg", "x.jpg"),
        (NFC, NFD),
        (NFD, NFD),
        ("x.JPG", "x.jpg"),
        ("y.jpg", "y.JPG"),
        ("X.jpg", None),
        ("x.png", None),
        ("../../outside.jpg", None),
        ("..", None),
        ("", None),
    ],
)
def test_names(folder: Path, name: str, found: str | None) -> None:
    path = NamedFiles(folder).find(name, (folder / "images/train", folder))
    if found is None:
        assert path is None or path.is_dir()
    else:
        assert path is not None
        assert path.resolve() == (folder / "images/train" / found).resolve()


def test_nothing_outside_of_the_root_is_found(folder: Path) -> None:
    files = NamedFiles(folder)
    outside = folder.parent / "outside.jpg"
    assert outside.exists()
    for name in (str(outside), "../outside.jpg", "images/../../outside.jpg", "..\\outside.jpg"):
        assert files.find(name, (folder,)) is None
    assert files.at(outside) is None
    assert files.at(folder / "images/../../outside.jpg") is None


def test_a_relative_root_holds_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for root in (Path("."), Path(""), Path("../data")):
        files = NamedFiles(root)
        assert files.find("images/train/x.jpg", (root,)) == root / "images/train/x.jpg"
        for name in ("../outside.jpg", "images/../../outside.jpg", str(folder.parent / "outside.jpg")):
            assert files.find(name, (root,)) is None


@pytest.mark.parametrize("name", ["x" * 5000 + ".jpg", "a\0b.jpg", "\ud800.jpg"])
def test_names_that_no_file_can_have(folder: Path, name: str) -> None:
    assert NamedFiles(folder).find(name, (folder,)) is None


def test_two_files_that_differ_in_case_alone_are_told_apart(folder: Path) -> None:
    train = folder / "images/train"
    (train / "x.JPG").touch()
    files = NamedFiles(folder)
    assert files.find("x.JPG", (train,)) == train / "x.JPG"
    assert files.find("x.Jpg", (train,)) is None  # which of both?


@pytest.fixture
def names(tmp_path: Path) -> ImageNames:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    return ImageNames(NamedFiles(tmp_path), (tmp_path,), "list.txt")


def test_what_lies_elsewhere_is_noted(names: ImageNames, tmp_path: Path) -> None:
    faults = Faults()
    assert names.path("1.jpg") == tmp_path / "1.jpg"
    assert names.path("a/2.jpg") == tmp_path / "2.jpg"
    assert names.ambiguous(faults) == set()
    assert faults.total == 0
    assert faults.notes == [
        "list.txt: 1 names of images are read without their folders or in another spelling, such as a/2.jpg as 2.jpg"
    ]


def test_an_image_that_several_names_lead_to_is_not_used(names: ImageNames, tmp_path: Path) -> None:
    faults = Faults()
    for name in ("a/1.jpg", "b/1.jpg", "2.jpg", "2.jpg"):
        names.path(name)
    assert names.ambiguous(faults) == {tmp_path / "1.jpg"}
    assert faults.counts == {"image file that several names lead to": 1}
    assert "list.txt, a/1.jpg and b/1.jpg" in faults.summary()


@pytest.mark.parametrize("name", ["gone.jpg", "../gone.jpg", "/etc/hostname", "../../../../../../etc/hostname"])
def test_a_missing_image_is_nowhere(names: ImageNames, tmp_path: Path, name: str) -> None:
    path = names.path(name)
    assert not path.exists()
    assert path.is_relative_to(tmp_path)
