"""examples/plugin: its README's commands, in their order, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "plugin"


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine
def test_what_the_readme_says_works(tmp_path: Path) -> None:
    copied = shutil.copytree(SOURCE, tmp_path / "plugin")
    [block] = re.findall(r"```sh\n(.+?)```", (copied / "README.md").read_text(), flags=re.DOTALL)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    offline = ["--no-index", "--quiet", "--disable-pip-version-check", "--target", str(tmp_path / "site")]
    more = {"pip": offline, "pytest": ["-q", "-p", "no:cacheprovider"]}
    commands = [line.split() for line in block.splitlines()]
    assert [words[0] for words in commands] == ["pip", "nas", "nas", "pytest"]
    for words in commands:
        command = [sys.executable, "-m", *words, *more.get(words[0], [])]
        done = subprocess.run(command, cwd=copied, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    shown = subprocess.run(
        [sys.executable, "-m", "nas", "show", "counting", "--json"], cwd=copied, env=env, capture_output=True, text=True
    )
    found = json.loads(shown.stdout)
    assert (found["state"], found["trials"]["complete"]) == ("done", 3)
    assert all({"count_error", "nodes"} <= best["values"].keys() for best in found["best"])
    assert found["provenance"]["versions"]["pyramid-extras"] == "0.1"
