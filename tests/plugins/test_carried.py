"""What a process added, in another process."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import nas
from nas.errors import UserError
from nas.plugins import carried, load
from tests.plugins.test_files import DEPTH

SCRIPT = """
import pickle, sys
found = pickle.load(open(sys.argv[1], "rb"))
found.install()
from nas.studies.metrics import METRICS
from nas.plugins import loaded
from nas.plugins.table import ADDED
print(sorted(name for name in METRICS if name in ADDED["metrics"]), [file.name for file in loaded()])
found.install()  # a second time is none
"""


def test_files_and_a_scripts_functions_arrive(tmp_path: Path) -> None:
    (tmp_path / "depth.py").write_text(DEPTH)
    load(tmp_path / "depth.py")
    offset = 7
    nas.register("metrics", "shifted", nas.Metric("x", of_architecture=lambda a: len(a.neck.nodes) + offset))
    nas.register("data", "unsendable", nas.image_data([threading.Lock()], [], ["a"]))  # workers need no data kinds
    (tmp_path / "carried").write_bytes(pickle.dumps(carried()))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "carried")], capture_output=True, text=True, cwd=nas_root()
    )
    assert done.stdout == "['depth', 'shifted'] ['depth.py']\n", done.stderr


def nas_root() -> Path:
    return Path(nas.__file__).parents[1]


def test_what_cannot_be_sent_is_named() -> None:
    lock = threading.Lock()
    nas.register("metrics", "locked", nas.Metric("x", of_architecture=lambda a: lock.locked()))
    with pytest.raises(UserError, match=r"^metrics: 'locked' of this script cannot be sent to workers \(TypeError: "):
        carried()
