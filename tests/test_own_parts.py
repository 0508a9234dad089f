"""docs/how-to/own-parts.md: every block runs, in its order, and each study really trains."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "own-parts.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.+?)```", PAGE.read_text(), flags=re.DOTALL)


def test_a_block_is_about_ten_lines_of_code() -> None:
    lengths = [len([line for line in block.splitlines() if line.strip()]) for block in blocks()]
    assert len(lengths) >= 8
    assert max(lengths) <= 24


@pytest.mark.slow
@pytest.mark.timeout(1200)  # on a busy machine
def test_the_page_runs(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(blocks()))
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:nas", str(script)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "study first: done" in done.stdout
    shown = subprocess.run(
        [sys.executable, "-m", "nas", "ls", "--storage", "sqlite:///doors.db", "--json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    # Studies with metrics, heads and spaces of a script are listed where nothing of it is known.
    studies = {study["study"]: study["state"] for study in json.loads(shown.stdout)["studies"]}
    names = {"first", "mapping", "class", "sampled", "measured", "squares", "headed", "watched"}
    assert {name: studies.get(name) for name in names} == dict.fromkeys(names, "done")
