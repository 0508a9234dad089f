"""Plugin files: executed once, whole or not at all."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.plugins import load, loaded, seal
from nas.studies.metrics import METRICS

DEPTH = """
import nas

def depth(architecture):
    return len(architecture.neck.nodes)

nas.register("metrics", "depth", nas.Metric("nodes of the neck", "minimize", of_architecture=depth))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own-depth.py"
    path.write_text(DEPTH)
    return path


def test_a_file_adds_to_the_tables_and_is_known_by_its_content(file: Path) -> None:
    found = load(file)
    assert found == ("own-depth.py", hashlib.sha256(DEPTH.encode()).hexdigest(), DEPTH)
    assert loaded() == [found]
    assert METRICS.source_of("depth") == "plugin own-depth.py"
    assert load(file) == found  # a second time is none
    assert loaded() == [found]


def test_its_functions_are_pickled_by_a_name_and_show_their_source(file: Path) -> None:
    load(file)
    function = METRICS["depth"].of_architecture
    assert function is not None
    assert pickle.loads(pickle.dumps(function)) is function
    assert inspect.getsource(function).startswith("def depth(architecture):")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DEPTH + "\n1 / 0\n", r"^plugin bad\.py cannot be loaded \(line 9\): ZeroDivisionError: division by zero$"),
        (DEPTH + "\ndef (\n", r"^plugin bad\.py cannot be loaded \(line 9\): SyntaxError"),
        (DEPTH + DEPTH, r"^plugin bad\.py: metrics: 'depth' is taken twice, by plugin bad\.py and by plugin bad\.py"),
        ("import no_such_module", r"^plugin bad\.py cannot be loaded \(line 1\): ModuleNotFoundError"),
    ],
)
def test_a_file_that_fails_leaves_nothing(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(UserError, match=message):
        load(tmp_path / "bad.py")
    assert "depth" not in METRICS
    assert loaded() == []
    assert not [name for name in sys.modules if name.startswith("nas_plugin_bad")]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.py cannot be read: No such file"):
        load(tmp_path / "none.py")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.py").write_bytes(b"# \xe4")
    with pytest.raises(UserError, match=r"latin\.py cannot be read: it is not UTF-8 text"):
        load(tmp_path / "latin.py")


def test_a_sealed_process_executes_none(file: Path) -> None:
    seal("studies arrive over a network")
    with pytest.raises(UserError, match=r"own-depth\.py is refused, because studies arrive over a network: install"):
        load(file)
    assert loaded() == []
