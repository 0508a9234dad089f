"""The XML and the image file of a name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from nas.tasks.data.faults import Faults
from nas.tasks.data.layouts import Part
from nas.tasks.data.voc_files import VocFiles
from tests.tasks.data.folders import write_image
from tests.tasks.data.layouts.builders import images, write, xml


@pytest.fixture
def files(tmp_path: Path) -> VocFiles:
    root = tmp_path / "data"
    images(root / "images", "ab")
    xml(root / "xml", "ab")
    return VocFiles(root, Part(root / "xml", root / "images", None))


@pytest.mark.parametrize("name", ["a", "a.png", "a.JPG"])
def test_a_list_may_name_image_files(files: VocFiles, tmp_path: Path, name: str) -> None:
    path = tmp_path / "data/xml/a.xml"
    assert files.xml(name) == (path, "xml/a.xml")
    assert files.image(path, "") == tmp_path / "data/images/a.png"


def test_names_lie_in_folders_too(files: VocFiles, tmp_path: Path) -> None:
    images(tmp_path / "data/images/cam", "c")
    xml(tmp_path / "data/xml/cam", "c")
    path, place = files.xml("cam/c")
    assert path is not None
    assert (place, files.image(path, "c.png")) == ("xml/cam/c.xml", tmp_path / "data/images/cam/c.png")


def test_nothing_outside_of_the_folder_is_read(files: VocFiles, tmp_path: Path) -> None:
    xml(tmp_path, "a")
    write_image(tmp_path / "secret.png")
    for name in ("../../a", str(tmp_path / "a"), "..\\..\\a"):
        assert files.xml(name)[0] is None
    assert files.image(tmp_path / "data/xml/z.xml", "../../secret.png") == tmp_path / "data/images/z.jpg"


def test_unicode_forms_and_the_case_of_extensions_do_not_count(files: VocFiles, tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    write(tmp_path / f"data/xml/{nfd}.XML", "<annotation/>")
    write_image(tmp_path / f"data/images/{nfc}.JPG")
    path, _ = files.xml(nfc)
    assert path is not None
    assert files.image(path, "") == tmp_path / f"data/images/{nfc}.JPG"


def test_of_several_images_of_one_name_the_stated_one_counts(files: VocFiles, tmp_path: Path) -> None:
    write_image(tmp_path / "data/images/a.jpg")
    path = tmp_path / "data/xml/a.xml"
    assert files.image(path, "a.jpg") == tmp_path / "data/images/a.jpg"
    assert files.image(path, "images/a.png") == tmp_path / "data/images/a.png"
    assert files.image(path, "") is None
    assert files.image(path, "b.png") is None


def test_an_image_of_another_name_is_found_by_what_the_xml_states(files: VocFiles, tmp_path: Path) -> None:
    path = tmp_path / "data/xml/0001.xml"
    assert files.image(path, "C:\\pictures\\b.png") == tmp_path / "data/images/b.png"
    assert files.image(path, "gone.png") == tmp_path / "data/images/0001.jpg"


def test_images_without_xml_are_noted(files: VocFiles, tmp_path: Path) -> None:
    write_image(tmp_path / "data/images/z.png")
    faults = Faults()
    assert files.names(faults) == ["a", "b"]
    assert faults.notes == ["1 images in images have no XML file and are not used"]
