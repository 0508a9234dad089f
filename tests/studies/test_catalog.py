"""Files by name and by path; studies read with changes, absolute paths, and every fault with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import SpecError, UserError
from nas.studies import catalog
from nas.studies.spec import StudySpec
from nas.yaml12 import dump_yaml, load_yaml

STUDY = """\
# nas launch mine
search_space: spaces/mine.yaml
task:
  kind: detection
  data: {kind: voc, root: ../data}
  epochs: 3
objectives: [{metric: ap}]
sampler: tpe
"""


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two shipped studies; the working folder is elsewhere."""
    folder = tmp_path / "package" / "studies"
    folder.mkdir(parents=True)
    (folder / "quickstart.yaml").write_text(STUDY)
    (folder / "cells.yaml").write_text(STUDY)
    monkeypatch.setattr(catalog, "folder", lambda kind: folder.parent / kind)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own study, in a folder beside the working folder."""
    path = tmp_path / "own" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(STUDY)
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    return path


@pytest.mark.parametrize(("kind", "name"), [("studies", "quickstart"), ("search_spaces", "pyramid")])
def test_the_repository_ships_files_of_each_kind(kind: catalog.Kind, name: str) -> None:
    assert name in catalog.names(kind)
    assert catalog.find(kind, name) == catalog.folder(kind) / f"{name}.yaml"


@pytest.mark.parametrize("name", catalog.names("studies"))
def test_every_shipped_study_is_valid_and_opens_with_its_launch(name: str) -> None:
    study, text = catalog.read_study(name)
    assert study.name == name
    schema, launch = text.splitlines()[:2]
    assert schema == "# yaml-language-server: $schema=../schemas/study.json"
    assert launch.startswith((f"# nas launch {name}", f"# nas launch studies/{name}.yaml"))


def test_names_are_those_of_the_folder(shipped: Path) -> None:
    assert catalog.names("studies") == ["cells", "quickstart"]
    assert catalog.names("search_spaces") == []


@pytest.mark.parametrize("name", ["quickstart", "studies/quickstart.yaml", "quickstart.yaml"])
def test_a_shipped_file_is_found_from_any_folder(shipped: Path, name: str) -> None:
    assert catalog.find("studies", name) == shipped / "quickstart.yaml"


def test_a_file_below_the_working_folder_comes_first(shipped: Path) -> None:
    own = Path("studies/quickstart.yaml")
    own.parent.mkdir()
    own.write_text(STUDY)
    assert catalog.find("studies", "studies/quickstart.yaml") == own
    assert catalog.find("studies", "quickstart") == shipped / "quickstart.yaml"


def test_a_missing_study_names_those_that_exist(shipped: Path) -> None:
    with pytest.raises(UserError, match=r"no study 'quikstart'.*cells, quickstart; did you mean quickstart\?"):
        catalog.find("studies", "quikstart")
    with pytest.raises(UserError, match="is a folder, not a study file"):
        catalog.find("studies", ".")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: caf\xe9")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        catalog.read_study(str(path))


def test_a_study_is_read_with_its_text_and_the_stem_as_name(mine: Path) -> None:
    study, text = catalog.read_study(str(mine))
    assert (study.name, study.task.epochs, text) == ("mine", 3, STUDY)


def test_paths_are_relative_to_the_file_and_in_changes_to_the_working_folder(mine: Path, tmp_path: Path) -> None:
    study, _ = catalog.read_study("../own/mine.yaml", ["task.backbone.checkpoint=weights/w.safetensors"])
    assert study.search_space == str(tmp_path / "own/spaces/mine.yaml")
    assert study.task.data.root == str(tmp_path / "data")
    assert study.task.backbone.checkpoint == str(tmp_path / "work/weights/w.safetensors")
    study, _ = catalog.read_study(str(mine), ["task.data={kind: voc, root: here}", "search_space=pyramid"])
    assert study.task.data.root == str(tmp_path / "work/here")
    assert study.search_space == "pyramid"


def test_the_home_folder_is_written_out(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    study, _ = catalog.read_study(str(mine), ["task.data.root=~/cells"])
    assert study.task.data.root == "/home/ada/cells"


def test_changes_make_mappings_index_lists_and_take_yaml(mine: Path) -> None:
    study, _ = catalog.read_study(
        str(mine),
        ["objectives[0].metric=ap50", "space.width=[32, 64]", "constraints.params=5.0e6", "name=no", "address="],
    )
    assert study.objectives[0].metric == "ap50"
    assert study.space == {"width": [32, 64]}
    assert study.constraints == {"params": 5e6}
    assert study.name == "no"
    assert study.address is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sampler", "--set sampler: write it as key.path=value"),
        ("a..b=1", "--set a..b=1: write it as key.path=value"),
        ("sampler.kind.x=1", "--set: sampler.kind.x: sampler is 'tpe', which has no keys"),
        ("objectives[3].metric=ap", "--set: objectives[3].metric: objectives has 1 entries"),
        ("baselines[0]=fpn", "--set: baselines[0]: baselines is no list in the file"),
        ("seed=[1", "--set seed=[1: line 1: not YAML"),
    ],
)
def test_a_change_that_does_not_fit_is_a_sentence(mine: Path, change: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        catalog.read_study(str(mine), [change])
    assert str(caught.value).startswith(message)


def test_all_faults_at_once_each_with_its_place(mine: Path) -> None:
    mine.write_text(STUDY.replace("epochs: 3", "epoch: 3") + "constraints: {params: -1}\nworkers: {count: many}\n")
    with pytest.raises(SpecError) as caught:
        catalog.read_study(str(mine), ["objectives[0].direction=upwards"])
    assert caught.value.where == str(mine)
    faults = {fault.path: fault.message for fault in caught.value.faults}
    assert faults.pop("objectives[0].direction").endswith("(from --set objectives[0].direction=upwards)")
    assert faults == {
        "task.epoch": "unknown key; did you mean epochs? (line 6)",
        "constraints.params": "should be greater than 0, not -1 (line 9)",
        "workers.count": "should be a valid integer or 'auto', not 'many' (line 10)",
    }


@pytest.mark.parametrize("text", ["", "- task", "task"])
def test_what_is_no_mapping_is_no_study(mine: Path, text: str) -> None:
    mine.write_text(text)
    with pytest.raises(SpecError, match="is no study"):
        catalog.read_study(str(mine))


def test_the_sound_parts_of_a_faulty_study_are_kept(mine: Path) -> None:
    file = catalog.open_study(str(mine), ["objectives[0].direction=up", "task.epoch=3", "task.epochs=7"])
    assert [fault.path for fault in file.faults] == ["task.epoch", "objectives[0].direction"]
    assert file.study is not None
    assert (file.study.task.epochs, file.study.objectives[0].metric) == (7, "ap")
    assert catalog.open_study(str(mine), ["task.kind=1"]).study is None


def test_a_stored_study_is_changed_like_a_file(mine: Path, tmp_path: Path) -> None:
    stored, text = catalog.read_study(str(mine))
    file = catalog.change_study(stored, text, ["task.backbone.checkpoint=w.safetensors", "budget.trials=3"])
    assert (file.text, file.faults) == (text, ())
    assert file.study is not None
    assert file.study.task.backbone.checkpoint == str(tmp_path / "work/w.safetensors")
    assert file.study.task.data.root == str(tmp_path / "data")
    assert catalog.change_study(stored, text, []).study == stored
    assert [f.message for f in catalog.change_study(stored, text, ["seed=-1"]).faults] == [
        "should be greater than or equal to 0, not -1 (from --set seed=-1)"
    ]


def test_a_space_is_read_with_the_stem_as_name(tmp_path: Path) -> None:
    shipped = load_yaml(catalog.read(catalog.find("search_spaces", "pyramid")), "")
    path = tmp_path / "mine.yaml"
    path.write_text(dump_yaml({k: v for k, v in shipped.items() if k != "name"}))
    assert catalog.read_space(str(path)).name == "mine"
    assert catalog.read_space(str(path)).parameters == catalog.read_space("pyramid").parameters
    path.write_text("- 1")
    with pytest.raises(SpecError, match="is no search space"):
        catalog.read_space(str(path))


def test_a_study_survives_dump_and_load(mine: Path) -> None:
    study, _ = catalog.read_study(str(mine), ["keep=all", "budget={seconds: 1200}"])
    assert StudySpec.parse(load_yaml(dump_yaml(study.to_dict()), "dumped")) == study
