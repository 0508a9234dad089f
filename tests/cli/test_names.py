"""STUDY: any name that can be printed, for every verb that takes one."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.files import stem_of
from nas.storage import open_store
from tests.cli.conftest import Nas
from tests.cli.test_launch import asked
from tests.exports.studies import WINNER, StoredStudy, measured
from tests.fabricated import Fabric

__all__ = ["asked"]

NAMES = ["a/b", "../up", "🚀", "👩‍🔬 cells/1", "x" * 200, "細胞.yaml"]


@pytest.fixture(params=NAMES)
def named(request: pytest.FixtureRequest, storage: str) -> str:
    """A name that a study in the database has."""
    with open_store(storage, create=True) as store:
        Fabric(store, request.param).complete(16, ap=0.5)
    return str(request.param)


def test_a_study_of_that_name_is_shown_and_listed(nas: Nas, named: str, storage: str) -> None:
    shown = nas("show", "--storage", storage, named)
    assert shown.status == 0, shown.err
    assert shown.out.startswith(f"study {named}: ")
    assert nas("show", "--storage", storage, named, "0").out.startswith(f"trial 0 of {named}: ")
    assert any(line.startswith(named) for line in nas("ls", "--storage", storage).out.splitlines())
    assert named in {study["study"] for study in nas("ls", "--storage", storage, "--json").json["studies"]}


@pytest.mark.parametrize("name", NAMES)
def test_an_export_of_its_trial_goes_where_was_asked(nas: Nas, name: str, tmp_path: Path) -> None:
    made = StoredStudy(tmp_path, name=name)
    made.add(measured(WINNER), {"ap": 0.4})
    made.store.close()
    done = nas("export", name, "--storage", f"sqlite:///{tmp_path}/nas.db", "-o", "out", "--format", "config")
    assert done.status == 0, done.err
    assert [path.name for path in Path().iterdir()] == ["out"]
    assert f"nas launch {shlex.quote(f'{stem_of(name)}.yaml')}" in Path("out/README.md").read_text()


def test_a_trial_of_it_is_drawn(nas: Nas, named: str, storage: str) -> None:
    assert nas("cost", "--storage", storage, f"{named}:0").status == 0


def test_it_goes_on_by_its_name(nas: Nas, asked: dict[str, Any], named: str, storage: str) -> None:
    done = nas("launch", "--storage", storage, "--trials", "50", named)
    assert done.status == 0, done.err
    assert (asked["spec"].name, asked["spec"].budget.trials) == (named, 50)


@pytest.mark.parametrize("name", NAMES)
def test_a_new_one_is_named_so(nas: Nas, asked: dict[str, Any], name: str) -> None:
    assert nas("launch", "quickstart", "--name", name).status == 0
    assert asked["spec"].name == name


def test_a_file_comes_before_a_study_of_its_path(nas: Nas, asked: dict[str, Any], storage: str) -> None:
    with open_store(storage, create=True) as store:
        Fabric(store, "a/b.yaml")
    Path("a").mkdir()
    Path("a/b.yaml").write_text("task: {kind: detection, data: {kind: digits}}\n")
    assert nas("launch", "a/b.yaml", "--storage", storage).status == 0
    assert asked["spec"].name == "b"
    assert nas("show", "a/b.yaml", "--storage", storage).out.startswith("study a/b.yaml: interrupted")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", " a", ""])
def test_a_name_that_cannot_be_typed_again(refused: Callable[..., str], name: str) -> None:
    assert "name: " in refused("launch", "quickstart", "--name", name)


def test_what_a_proxys_search_writes_by_default(nas: Nas, named: str, storage: str) -> None:
    """In the working folder, whatever the study's name looks like."""
    from argparse import Namespace

    from nas.cli.proxy import _target
    from nas.studies.catalog import StudyFile
    from nas.yaml12 import Document

    file = StudyFile(f"study {named!r}", "", None, (), Document({}), ())
    target = _target(Namespace(output=None, study=named), file)
    assert target.parent == Path()
    target.touch()
