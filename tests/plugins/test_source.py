"""Which code stands behind a name."""

from __future__ import annotations

from pathlib import Path

import nas
from nas.plugins import forget, load
from nas.studies.metrics import identities
from tests.opened import unload
from tests.plugins.test_files import DEPTH


def test_a_file_differs_from_a_changed_one(tmp_path: Path) -> None:
    (tmp_path / "depth.py").write_text(DEPTH)
    file = load(tmp_path / "depth.py")
    before = identities(["depth", "ap"])
    assert before == {"depth": f"depth.py {file.sha256[:16]}"}
    forget("metrics", "depth")
    unload(file)
    (tmp_path / "depth.py").write_text(DEPTH.replace("len(", "2 * len("))
    load(tmp_path / "depth.py")
    assert identities(["depth"]) != before


def test_a_scripts_function_is_known_by_its_text() -> None:
    def registered(function: object) -> dict[str, str]:
        forget("metrics", "mine")
        nas.register("metrics", "mine", nas.Metric("x", of_architecture=function))  # type: ignore[arg-type]
        return identities(["mine"])

    def one(architecture: object) -> float:
        return 1.0

    def other(architecture: object) -> float:
        return 2.0

    assert registered(one) == registered(one)
    assert registered(one) != registered(other)
    without_text = [eval(f"lambda a: {number}") for number in (1, 2)]
    assert registered(without_text[0]) == registered(without_text[0])
    assert registered(without_text[0]) != registered(without_text[1])
