"""What the documentation shows is true: its Python runs, its studies are valid, its commands are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nas import cli
from nas.studies.schema import space_schema, study_schema
from nas.yaml12 import dump_yaml, load_yaml
from tests import forked
from tests.docs.blocks import PAGES, REPOSITORY, Block, blocks, of_language

CHECKED = {"python", "yaml", "console"}
UNCHECKED = {"text": "what a command printed", "toml": "a package's own pyproject.toml"}

RUN = {"ls", "show", "effects", "validate", "schema", "data", "draw", "cost", "diff", "eval", "predict"}
"""Verbs that are run, in a folder with what the commands name; the others train, serve, or write much."""

OTHERS = {
    "source": "activates an environment",
    "ray": "starts a cluster",
    "pip": "installs",
    "make": "its targets are compared with the Makefile",
    "python": "the script must be there",
}
"""Commands besides `nas`: why they are not run."""

SLOW = {"python.md": "trains two trials", "own-parts.md": "trains nine studies"}
"""Pages whose Python takes longer than seconds."""

TASK = {"kind": "detection", "data": {"kind": "digits"}}
"""What a fragment of a study is part of."""


def ids(block: Block) -> str:
    return block.where


def test_every_block_has_a_language_that_is_checked_or_a_reason() -> None:
    found = [block for page in PAGES for block in blocks(page)]
    assert len(found) > 30
    known = CHECKED | set(UNCHECKED)
    assert [b.where for b in found if b.language not in known and b.reason is None] == []


def python_pages() -> list[Any]:
    pages = dict.fromkeys(block.page for block in of_language("python"))
    return [
        pytest.param(
            page,
            id=str(page.relative_to(REPOSITORY)),
            marks=[pytest.mark.slow, pytest.mark.timeout(900)] if page.name in SLOW else [],
        )
        for page in pages
    ]


@pytest.mark.parametrize("page", python_pages())
def test_python_runs_a_page_as_one_script(page: Path, working: Path) -> None:
    """As a reader would run it, in a process of its own: what it registers stays there."""
    (working / "page.py").write_text(
        "\n\n".join(b.text for b in blocks(page) if b.language == "python" and not b.reason)
    )
    done = forked.run("page.py", cwd=working)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", of_language("yaml"), ids=ids)
def test_yaml_is_a_valid_study_or_space(block: Block, working: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, text, schema = load_yaml(block.text, block.where), block.text, space_schema()
    if "parameters" not in data:
        task = data.get("task", {})
        text = text if {"kind", "data"} <= set(task) else dump_yaml(data | {"task": TASK | task})
        schema = study_schema()
    Draft202012Validator(schema).validate(load_yaml(text, block.where))
    (working / "written.yaml").write_text(text)
    assert cli.main(["validate", "written.yaml"]) == 0, capsys.readouterr().err


def commands() -> list[Any]:
    return [
        pytest.param(line.removeprefix("$ "), id=f"{block.where} {line[2:40]}")
        for block in of_language("console")
        for line in block.text.splitlines()
        if line.startswith("$ ")
    ]


def test_consoles_hold_commands() -> None:
    """A line without `$` would not be looked at."""
    assert [b.where for b in of_language("console") for x in b.text.splitlines() if not x.startswith("$ ")] == []


@pytest.mark.parametrize("command", commands())
def test_a_command_is_understood(command: str, working: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word, *arguments = shlex.split(command.partition(" > ")[0], comments=True)
    if word == "nas":
        args = cli.build_parser().parse_args(arguments)
        if args.verb == "validate" and not Path(args.file).is_file():
            write_study(working)
        if args.verb in RUN and args.server is None:
            assert cli.main(arguments) == 0, capsys.readouterr().err
    elif word == "make":
        targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets)
    elif word in ("python", ".venv/bin/python"):
        assert (REPOSITORY / arguments[0]).is_file()
    else:
        assert word in OTHERS


def write_study(folder: Path) -> None:
    """The study that the tutorial has the reader write."""
    (tutorial,) = (b for b in of_language("yaml") if b.page.name == "own-images.md")
    (folder / "cells.yaml").write_text(tutorial.text)


CODE = re.compile(r"`((?:nas|tests|docs|benchmarks|studies|search_spaces|schemas)/[\w./-]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = {name.rstrip("/.") for name in CODE.findall(page.read_text())}
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("page", sorted(REPOSITORY.glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_pages_beside_docs_lead_somewhere(page: Path) -> None:
    """Those within docs are checked by `make docs`."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]
    assert [link for link in links if "://" not in link and not (REPOSITORY / link).exists()] == []


def test_decisions_that_code_names_are_written_down() -> None:
    page = (REPOSITORY / "docs" / "decisions.md").read_text()
    anchors = set(re.findall(r"^### ([a-z0-9-]+)$", page, re.MULTILINE))
    assert len(anchors) > 40
    sources = [*(REPOSITORY / "nas").rglob("*.py"), *(REPOSITORY / "tests").rglob("*.py"), *PAGES]
    named = {name for file in sources for name in re.findall(r"see decisions: ([\w-]+)", file.read_text())}
    named |= {name for file in PAGES for name in re.findall(r"decisions\.md#([\w-]+)", file.read_text())}
    assert named - anchors == set()
