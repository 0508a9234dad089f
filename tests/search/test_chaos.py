"""The command line, Ray and real training under ten faults, each at a random instant: `benchmarks/chaos.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"

KINDS = (
    "driver -9", "driver SIGTERM", "driver SIGINT", "driver SIGINT twice", "worker -9", "raylet -9", "database stopped",
    "disk full", "weights corrupted", "artifacts taken away",
)  # fmt: skip
"""One of each, where the machine allows it. The others take longer, or are tested by themselves."""


@pytest.mark.slow
@pytest.mark.timeout(1800)  # whatever else the machine does
def test_a_study_survives_ten_faults() -> None:
    # By this seed the last fault ends a launch, which would have to be ended otherwise.
    words = ["--faults", str(len(KINDS)), "--kinds", ",".join(KINDS), "--seed", "3", "--pause", "2", "--json"]
    drill = subprocess.run([sys.executable, CHAOS, *words], capture_output=True, text=True, check=False)
    assert drill.stdout, drill.stderr
    found = json.loads(drill.stdout)
    assert found["violations"] == []
    assert sum(found["faults"].values()) == len(KINDS)
    assert drill.returncode == 0, drill.stderr
