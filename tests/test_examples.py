"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import nas

ROOT = Path(nas.__file__).parent
FILES = sorted(path.relative_to(ROOT.parent) for path in ROOT.rglob("*.py") if ">>> " in path.read_text())


@pytest.mark.parametrize("path", FILES, ids=str)
def test_examples_print_what_they_say(path: Path) -> None:
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_what_users_import_of_necks_and_models_has_an_example() -> None:
    for function in (nas.preset, nas.build, nas.build_neck):
        assert ">>> " in (function.__doc__ or "")
