"""Verbs that look at, or act on, a study that may run elsewhere."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from nas.cli import live
from nas.storage import open_store
from nas.storage.lease import Lease
from nas.studies.progress import LaunchProgress, RunProgress
from tests.cli.conftest import Nas
from tests.storage.test_progress import PROGRESS


@pytest.fixture
def running(storage: str) -> Iterator[Lease]:
    """The launch of the study `cells`, which goes on in a thread."""
    with open_store(storage, create=True) as store, store.lease("cells") as lease:
        yield lease


def later(seconds: float, work: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, work)
    timer.start()
    return timer


def test_watch_prints_what_is_new_until_the_launch_ends(nas: Nas, storage: str, running: Lease) -> None:
    running.beat(PROGRESS)
    timer = later(1.5, lambda: running.close("done"))
    done = nas("watch", "cells", "--storage", storage)
    timer.join()
    assert done.status == 0
    assert done.err.splitlines() == ["cells: 3 of 8 necks trained | best ap 0.400 (trial 1)"]
    assert done.out.startswith("study cells: done")


def test_watch_prints_objects_for_programs(nas: Nas, storage: str, running: Lease) -> None:
    running.beat(PROGRESS)
    timer = later(0.5, lambda: running.close("done"))
    done = nas("watch", "cells", "--log", "json", "--json", "--storage", storage)
    timer.join()
    first = json.loads(done.err.splitlines()[0])
    assert LaunchProgress.model_validate(first["progress"]) == PROGRESS
    assert done.json["state"] == "done"


def test_a_study_that_does_not_run_is_shown_at_once(nas: Nas, storage: str) -> None:
    assert nas("watch", "cells", "--storage", storage).out.startswith("study cells: interrupted")


def test_stop_waits_until_the_launch_has_ended(nas: Nas, storage: str, running: Lease) -> None:
    timer = later(0.7, lambda: running.close("interrupted"))
    done = nas("stop", "cells", "--storage", storage)
    timer.join()
    assert (done.status, done.out) == (0, "study cells: interrupted; `nas launch` goes on with it\n")


def test_stop_says_so_where_nothing_stops(
    nas: Nas, storage: str, running: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.cli.stop.PATIENCE_SECONDS", 0.1)
    done = nas("stop", "cells", "--storage", storage)
    assert (done.status, done.err) == (1, "study 'cells' was asked to stop, and still runs after 0 s\n")


def test_what_does_not_run_cannot_be_stopped(refused: Callable[..., str], storage: str) -> None:
    assert "study 'cells' is not running" in refused("stop", "cells", "--storage", storage)


def test_rm_deletes_after_the_name_was_typed(nas: Nas, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("cells\n"))
    done = nas("rm", "cells", "--storage", storage)
    assert done.status == 0
    assert "this deletes the study cells with 10 trials and their weights; type its name" in done.err
    assert "no studies yet" in nas("ls", "--storage", storage).out


@pytest.mark.parametrize("typed", ["", "cell\n", "yes\n"])
def test_rm_deletes_nothing_else(
    refused: Callable[..., str], nas: Nas, storage: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    done = nas("rm", "cells", "--storage", storage)
    assert done.status == 2
    assert "nothing was deleted: that is not 'cells'" in done.err
    assert "nothing was deleted" in refused("rm", "cells", "--confirm", "Cells", "--storage", storage)
    assert "cells" in nas("ls", "--storage", storage).out


def test_rm_refuses_a_study_that_runs(refused: Callable[..., str], storage: str, running: Lease) -> None:
    assert "study 'cells' is running" in refused("rm", "cells", "--confirm", "cells", "--storage", storage)


def test_logs_show_attempts_and_epochs(nas: Nas, storage: str) -> None:
    lines = nas("logs", "cells", "2", "--storage", storage).out.splitlines()
    assert lines[0] == "trial 2 of cells: complete"
    assert [line.split()[0] for line in lines[-3:]] == ["epoch", "1", "2"]
    assert nas("logs", "cells", "2", "--storage", storage, "--json").json["curve"][0]["epoch"] == 1


MANY = PROGRESS.model_copy(
    update={
        "runs": (
            RunProgress(
                name="trial 12, full training 1 of 3", neck="P2 to P6, " * 12, epoch=7, epochs=48, curve=(0.1,)
            ),
            RunProgress(name="trial 13", neck="P3 to P5, width 48, add, up nearest", epochs=48),
        )
    }
)


@pytest.mark.parametrize("width", [80, 200])
def test_the_view_fits_the_terminal(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width).print(live.view("cells", MANY, width))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 4, "a line each"
    assert "7 of 48" in lines[2]
    assert ("P3 to P5, width 48" in lines[3]) == (width == 200)


def test_a_curve_rises_from_its_lowest_to_its_highest() -> None:
    assert live.spark((0.1, 0.2, 0.8)) == "▁▂█"
    assert live.spark((0.3,)) == "▁"
    assert live.spark(()) == ""
    assert len(live.spark([0.1 * k for k in range(40)], width=16)) == 16


def test_a_terminal_gets_the_live_view_and_lines_above_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=80)
    monkeypatch.setattr("nas.cli.live.Console", lambda **options: terminal)
    with live.shown("cells", "auto") as (say, update):
        assert update is not None
        update(MANY)
        say("trial 11 complete [ap 0.4]")
        update(MANY)
    text = out.getvalue()
    assert "trial 11 complete [ap 0.4]" in text
    assert "7 of 48" in text
