from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.studies.catalog import names
from tests.cli.conftest import Nas
from tests.fabricated import TEXT

FAULTY = """\
name: faulty
search_space: pyramid
space: {width: [], fusions: [add]}
task:
  kind: detektion
  data: {kind: voc, root: nowhere}
  epoch: 3
objectives: [apx]
baselines: [{name: fpn, widht: 3}]
sampler: tpee
pruner: medium
executor: spark
constraints: {ap: 3}
"""

SPACE = """\
parameters:
  finest: [3]
  levels: [3]
  topology: [top_down]
  fusion: [add]
  upsample: [nearest]
  widths: [shared]
  width: {low: 16, high: 64, step: 16}
  conv: [plain]
"""


def test_a_sound_study_and_a_sound_space(nas: Nas) -> None:
    Path("mine.yaml").write_text(TEXT)
    Path("space.yaml").write_text(SPACE)
    assert nas("validate", "mine.yaml").out == "mine.yaml: a valid study\n"
    assert nas("validate", "space.yaml").out == "space.yaml: a valid search space of 4 necks in 4 encodings\n"
    assert nas("validate", "space.yaml", "--json").json == {
        "file": "space.yaml",
        "kind": "search space",
        "valid": True,
        "faults": [],
        "encodings": 4,
        "necks": 4,
        "exact": True,
        "error": 0.0,
    }


@pytest.mark.slow
def test_a_large_space_is_estimated(nas: Nas) -> None:
    reported = nas("validate", "merging_cells", "--json").json
    assert reported["exact"] is False
    assert reported["error"] > 0
    assert 1e6 < reported["necks"] - 4 * reported["error"] < reported["encodings"]
    assert " necks (standard error " in nas("validate", "merging_cells").out


@pytest.mark.parametrize("name", names("search_spaces"))
@pytest.mark.slow
def test_every_shipped_space_is_valid(name: str, nas: Nas) -> None:
    assert nas("validate", name).status == 0


def test_the_quickstart_is_valid_from_any_folder(nas: Nas) -> None:
    assert nas("validate", "quickstart").status == 0


def test_the_own_data_of_bccd_is_named_by_set(nas: Nas, bccd: Path) -> None:
    assert nas("validate", "bccd", "--set", f"task.data.root={bccd}").status == 0


PLACES = {
    "space.width": 3,
    "space.fusions": 3,
    "task.kind": 5,
    "task.data.root": 6,
    "task.epoch": 7,
    "objectives[0].metric": 8,
    "baselines[0].widht": 9,
    "sampler": 10,
    "pruner": 11,
    "executor": 12,
    "constraints": 13,
}


def test_all_faults_of_all_floors_at_once_each_with_its_place(nas: Nas, refused: Callable[..., str]) -> None:
    Path("faulty.yaml").write_text(FAULTY)
    reported = refused("validate", "faulty.yaml")
    assert reported.startswith(f"{Path('faulty.yaml')}: {len(PLACES)} faults\n")
    faults = {f["path"]: f["message"] for f in nas("validate", "faulty.yaml", "--json").json["faults"]}
    assert {path: int(m.rpartition("(line ")[2].rstrip(")")) for path, m in faults.items()} == PLACES
    assert all(f"\n  {path}: {message}" in reported for path, message in faults.items())


def test_a_faulty_study_is_not_launched(refused: Callable[..., str]) -> None:
    Path("faulty.yaml").write_text(FAULTY)
    assert refused("launch", "faulty.yaml") == refused("validate", "faulty.yaml")


def test_faults_as_json_keep_the_exit_status(nas: Nas) -> None:
    done = nas("validate", "quickstart", "--set", "sampler=tpee", "--json")
    assert (done.status, done.err) == (2, "")
    assert done.json["valid"] is False
    assert [f["path"] for f in done.json["faults"]] == ["sampler"]
    assert done.json["faults"][0]["message"].endswith("(from --set sampler=tpee)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("conv: [plain]", "is missing"),
        ("conv: [plane]", "'plane' is not one of plain, separable"),
        ("conv: []", "an empty list of choices"),
        ("conv: {low: 3, high: 1}", "an empty range"),
        ("convs: [plain]", "unknown parameter"),
    ],
)
def test_a_faulty_space(change: str, message: str, refused: Callable[..., str]) -> None:
    written = SPACE.replace("  conv: [plain]\n", "" if message == "is missing" else f"  {change}\n")
    Path("space.yaml").write_text(written)
    reported = refused("validate", "space.yaml")
    place = "parameters.convs" if "convs" in change else "parameters.conv"
    assert reported.startswith("space.yaml: ")
    assert f"{place}: " in reported
    assert message in reported


def test_all_faults_of_a_space_at_once(nas: Nas) -> None:
    Path("space.yaml").write_text(SPACE.replace("[plain]", "[plane]").replace("[3]", "[]").replace("[add]", "[sum]"))
    faults = nas("validate", "space.yaml", "--json").json["faults"]
    assert [f["path"].removeprefix("parameters.") for f in faults] == ["finest", "levels", "fusion", "conv"]


def test_a_study_reports_the_faults_of_its_space_file(refused: Callable[..., str]) -> None:
    Path("space.yaml").write_text(SPACE.replace("plain", "plane"))
    Path("mine.yaml").write_text(f"search_space: space.yaml\n{TEXT}")
    reported = refused("validate", "mine.yaml")
    assert reported.startswith("mine.yaml: search_space: ")
    assert "'plane' is not one of plain, separable" in reported
    assert reported.endswith("(line 1)")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.yaml"], "there is no study 'nowhere.yaml': not a file"),
        (["quikstart"], "there is no study 'quikstart': not a file, and shipped are bccd, bccd_vit, nuclei, "),
        (["pyramid", "--set", "seed=1"], "--set changes a study, and pyramid is a search space"),
        (["quickstart", "--set", "seed"], "--set seed: write it as key.path=value"),
    ],
)
def test_words_that_mean_nothing(words: list[str], message: str, refused: Callable[..., str]) -> None:
    assert refused("validate", *words).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [", "not YAML"),
        ("- 1", "is no study"),
        ("task: !!python/object/apply:os.system [touch hacked]", "the tag !!python/object/apply:os.system"),
    ],
)
def test_files_that_are_no_study(text: str, message: str, refused: Callable[..., str]) -> None:
    Path("mine.yaml").write_text(text)
    assert message in refused("validate", "mine.yaml")
