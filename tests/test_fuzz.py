"""Some hundred mutated files: `benchmarks/fuzz.py` runs thousands. And what it watches for, it sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


def run(*words: str, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{BENCHMARKS}"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mutated_files_end_in_a_sentence_and_write_nothing(tmp_path: Path) -> None:
    found = json.loads(run(str(BENCHMARKS / "fuzz.py"), "--examples=150", "--folders=40", "--json", folder=tmp_path))
    assert found["violations"] == []
    assert found["examples"] == {"files": 150, "voc": 40, "coco": 40, "yolo": 40, "masks": 40}


WATCHED = """
import sys
from pathlib import Path
import nas.cli
from fuzzing.guard import Guard

outside = Path("outside").resolve()
outside.mkdir()
(outside / "secret.png").touch()
guard = Guard()

def seen(does):
    nas.cli.main = lambda words: does() or 0
    return guard.violation([], outside)

assert seen(lambda: None) is None
assert seen(lambda: Path("new").write_text("x") and 0) == "wrote new"
assert seen(lambda: Path("folder").mkdir()) == "os.mkdir folder"
assert "outside of the data set" in seen(lambda: (outside.parent / "x/../outside/secret.png").read_bytes() and 0)
assert "ZeroDivisionError" in seen(lambda: 1 / 0)
assert seen(lambda: 1).startswith("exit status 1")
assert seen(lambda: sys.exit(2)) is None
"""


def test_what_must_not_happen_is_seen(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "watched.py").write_text(WATCHED)
    run("watched.py", folder=tmp_path)


def test_a_mutation_repeats_by_its_seed(tmp_path: Path) -> None:
    code = "from random import Random; from fuzzing.mutations import *; v = {'a': [1, {'b': 2}]}"
    code += "; print([mutated_value(Random(n), v, ['c']) for n in range(50)], v)"
    code += "; print([mutated_bytes(Random(n), b'a: 1', [b'b']) for n in range(50)])"
    first, second = (run("-c", code, folder=tmp_path) for _ in range(2))
    assert first == second
    assert first.endswith("\n")
    assert "{'a': [1, {'b': 2}]}" in first, "the value itself stays"
