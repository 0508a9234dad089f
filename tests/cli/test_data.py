from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import data
from nas.studies.spec import DataSpec, TaskSpec
from nas.tasks.data.mask_summary import summarise_masks
from nas.tasks.data.summary import summarise
from tests.cli.conftest import Nas
from tests.tasks.data.folders import voc_object, write_image, write_voc
from tests.tasks.data.test_masks import mask, write

HELP_SIZE = f"(default: {TaskSpec.model_fields['image_size'].default})"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    large, small, bad = (voc_object("cat", (1, 1, n, n)) for n in (40, 9, 1))
    return write_voc(tmp_path / "cats", {"a": [large, small, bad], "b": [large], "c": [large]}, val=["c"])


def test_the_figures_are_printed(folder: Path, nas: Nas) -> None:
    done = nas("data", folder, "--image-size", "64")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"{folder}: voc; train and val: ImageSets/Main"
    assert max(map(len, lines[1:])) <= 100
    assert "cat        3    1" in lines
    assert "32 to 45  3  75 %  ##################################################" in lines
    assert " 8 to 11  1  25 %  #################" in lines
    assert "23 to 32  0   0 %" in lines
    assert "      Annotations/a.xml, object 3 (cat)" in lines


def test_what_was_done_to_images_is_noted_and_no_fault(cases: Path, nas: Nas) -> None:
    lines = nas("data", cases / "exif_voc").out.splitlines()
    assert lines[1] == "note: 12 images turned upright by the orientation tag"
    assert not any("faults" in line for line in lines)


def test_images_of_another_size_are_reported(folder: Path, nas: Nas) -> None:
    path = folder / "Annotations/a.xml"
    path.write_text(
        path.read_text().replace("<object>", "<size><width>32</width><height>24</height></size><object>", 1)
    )
    out = nas("data", folder).out
    assert "  1 x image of another size than stated (bring image and annotation to one size" in out
    assert f"      {folder / 'JPEGImages/a.png'}: stated 32x24, image 64x48\n" in out


def test_the_proposed_study_can_be_launched_as_it_is(folder: Path, nas: Nas) -> None:
    out = nas("data", folder).out
    Path("cats.yaml").write_text(out[out.index("# a study to start from") :])
    assert nas("validate", "cats.yaml").out == "cats.yaml: a valid study\n"


def test_how_the_data_was_read_is_printed(folder: Path, nas: Nas) -> None:
    (folder / "ImageSets/Main/test.txt").write_text("x\n")
    lines = nas("data", folder).out.splitlines()
    why = "none of its images can be read (1 x missing annotation)"
    assert lines[:3] == [
        f"{folder}: voc; train and val: ImageSets/Main",
        f"note: ImageSets/Main/test.txt is not used: {why}",
        "",
    ]


def test_images_for_tests_are_a_row_and_a_column(folder: Path, nas: Nas) -> None:
    (folder / "ImageSets/Main/train.txt").write_text("a\n")
    (folder / "ImageSets/Main/test.txt").write_text("b\n")
    lines = nas("data", folder, "--image-size", "64").out.splitlines()
    assert "note: ImageSets/Main/test.txt: 1 test image, which nothing is chosen on" in lines
    assert "test        1                0        1                   0" in lines
    assert "class  train  val  test" in lines
    assert "cat        2    1     1" in lines


def test_json_holds_the_summary(folder: Path, nas: Nas) -> None:
    shown = nas("data", folder, "--json").json
    found = summarise(DataSpec(kind="voc", root=str(folder)), 160)
    assert shown == found.model_dump(mode="json") | {"study": found.study}


def test_a_kind_can_be_given_and_another_that_fits_is_reported(tmp_path: Path, folder: Path, nas: Nas) -> None:
    write_image(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 .5 .5 .5 .5")
    (folder / "classes.txt").write_text("cat\n")
    assert nas("data", folder).err == f"{folder} is read as voc; its layout also fits --kind yolo\n"
    assert nas("data", folder, "--kind", "voc").err == ""


def test_the_help_shows_the_default_of_a_task(nas: Nas, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        nas("data", "--help")
    assert HELP_SIZE in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "there is no folder none"),
        (["."], ". has no annotated images of the kind masks, voc, coco or yolo in any layout that is read:\n"),
        (["none", "--kind", "voc"], "data: root: there is no folder none"),
        ([".", "--kind", "vok"], "data: kind: unknown 'vok'; one of "),
        ([".", "--kind", "voc", "--image-size", "100"], "image_size: should be a multiple of 32, not 100"),
    ],
)
def test_what_is_no_data_set_is_refused(words: list[str], message: str, refused: Callable[..., str]) -> None:
    assert refused("data", *words).startswith(message)


def test_many_faults_and_classes_are_cut_short(tmp_path: Path, nas: Nas) -> None:
    objects = [voc_object(f"class {n}", (1, 1, 20, 20)) for n in range(data._CLASSES + 3)]
    bad = voc_object("cat", (9, 9, 9, 9))
    root = write_voc(tmp_path / "many", {"a": [*objects, *[bad] * 30], "b": objects[:1]}, val=["b"])
    out = nas("data", root).out
    assert "\nand 3 more classes, see --json\n" in out
    assert "\n  30 x degenerate box\n" in out
    assert out.count("object ") < data._PLACES


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    for name in ("t1", "v1"):
        write(tmp_path / "stripes", name, mask(0, 1, 0, 255))
    return tmp_path / "stripes"


def test_a_folder_of_masks_is_summarized_by_its_pixels(stripes: Path, nas: Nas) -> None:
    done = nas("data", stripes, "--image-size", "64")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"{stripes}: masks; train and val: images/train and images/val"
    assert "train       1                0        1         25 %" in lines
    assert "class 1                33 %    33 %                 1       1" in lines
    assert "proposed: 2 levels from P3" in lines
    Path("stripes.yaml").write_text(done.out[done.out.index("# a study to start from") :])
    assert nas("validate", "stripes.yaml").out == "stripes.yaml: a valid study\n"


def test_masks_for_tests_are_a_row_and_columns(stripes: Path, nas: Nas) -> None:
    write(stripes, "x1", mask(0, 0, 0, 1, width=48), (48, 20), part="test")
    lines = nas("data", stripes, "--image-size", "64").out.splitlines()
    assert "test        1                0        1          0 %" in lines
    assert "class 1                33 %    33 %     25 %                 1       1        1" in lines


def test_json_of_masks_holds_their_summary(stripes: Path, nas: Nas) -> None:
    found = summarise_masks(DataSpec(kind="masks", root=str(stripes)), 160)
    assert nas("data", stripes, "--json").json == found.model_dump(mode="json") | {"study": found.study}
