from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Nas


def test_a_page_of_its_own(nas: Nas, storage: str) -> None:
    done = nas("report", "cells", "--storage", storage, "-o", "cells.html")
    assert (done.status, done.err) == (0, "reading study cells\n")
    first, last = done.out.splitlines()
    assert first.startswith("Trial 3 has the highest AP so far: 0.372, 0.011 more than the best baseline, fpn (0.361).")
    assert last.startswith("wrote cells.html (")
    page = Path("cells.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Trial 7 failed: the loss is not finite" in page


def test_json(nas: Nas, storage: str) -> None:
    found = nas("report", "cells", "--storage", storage, "-o", "cells.html", "--json").json
    assert (found["study"], found["winner"], found["file"]) == ("cells", 3, "cells.html")
    assert found["bytes"] == Path("cells.html").stat().st_size
    assert found["no_samples"].startswith("the weights of trial 3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cell", "-o", "a.html"], "there is no study 'cell' in the database; did you mean cells?"),
        (["cells", "-o", "."], "-o . is a folder; give a file such as report.html"),
        (["cells", "-o", "no/a.html"], "-o no/a.html cannot be written: there is no folder no; give a file"),
    ],
)
def test_what_is_refused(words: list[str], message: str, refused: Callable[..., str], storage: str) -> None:
    assert refused("report", *words, "--storage", storage).startswith(message)
