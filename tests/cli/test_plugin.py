"""--plugin FILE.py: on every verb, before the verb reads anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas import cli
from tests.cli.conftest import Nas
from tests.opened import restored
from tests.plugins.test_files import DEPTH

STUDY = """
task:
  kind: detection
  data: {kind: digits}
objectives: [ap, depth]
constraints: {depth: 12}
"""


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        yield


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_takes_it(verb: str) -> None:
    words = [*cli.VERBS[verb].example.split()[1:], "--plugin", "a.py", "--plugin", "b.py"]
    assert cli.build_parser().parse_args(words).plugins == ["a.py", "b.py"]


def test_a_study_with_a_metric_of_a_file(tmp_path: Path, nas: Nas, refused: Callable[..., str]) -> None:
    study, plugin = tmp_path / "own.yaml", tmp_path / "depth.py"
    study.write_text(STUDY)
    plugin.write_text(DEPTH)
    reported = refused("validate", study)
    assert "objectives[1].metric: unknown metric 'depth'; one of ap," in reported
    assert "(line 5)" in reported
    assert "constraints: depth cannot be bounded" in reported
    assert nas("validate", study, "--plugin", plugin).status == 0


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "none.py cannot be read: No such file or directory" in refused("ls", "--plugin", tmp_path / "none.py")


def test_a_study_that_names_code_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    study = tmp_path / "own.yaml"
    study.write_text(STUDY + "plugins: [depth.py]\n")
    reported = refused("validate", study)
    assert "plugins: a study cannot name code: launch it with --plugin FILE.py" in reported
