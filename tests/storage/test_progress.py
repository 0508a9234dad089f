from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.errors import StopAsked, UserError
from nas.storage import Lease, Store, open_store
from nas.studies.progress import LaunchProgress, Leader, RunProgress
from tests.fabricated import PROVENANCE, TASK, TEXT, spec

PROGRESS = LaunchProgress(
    metric="ap",
    shown="ap",
    trained=3,
    trials=8,
    failed=0,
    workers=2,
    runs=(RunProgress(name="trial 3", neck="P3 to P5", epoch=2, epochs=4, curve=(0.1, 0.2)),),
    best=Leader(name="trial 1", value=0.4),
)


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    with open_store(url, create=True, artifacts=tmp_path) as store:
        yield store


def begin(store: Store) -> Lease:
    return store.begin("cells", spec("ap"), TEXT, TASK, dict(PROVENANCE))


def test_another_process_sees_what_the_driver_kept_last(store: Store, url: str) -> None:
    with (
        begin(store) as lease,
        open_store(url, create=False) as other,
    ):
        assert other.progress("cells") is None
        lease.beat(PROGRESS)
        assert other.progress("cells") == PROGRESS
        later = PROGRESS.model_copy(update={"trained": 4, "runs": ()})
        lease.beat(later)
        lease.beat()
        assert other.progress("cells") == later
        assert other.progress("others") is None


def test_a_launch_hears_once_that_it_should_stop(store: Store, url: str) -> None:
    with (
        begin(store) as lease,
        open_store(url, create=False) as other,
    ):
        other.ask_to_stop("cells")
        with pytest.raises(StopAsked, match="study 'cells' was asked to stop"):
            lease.beat(PROGRESS)
        lease.beat(PROGRESS)  # while it ends
        lease.close("interrupted")
        with store.lease("cells") as again:
            again.beat()  # the next launch was not asked


@pytest.mark.parametrize("name", ["cells", "others"])
def test_what_does_not_run_cannot_be_stopped(store: Store, name: str) -> None:
    begin(store).close("done")
    with pytest.raises(UserError, match=f"study '{name}' is not running"):
        store.ask_to_stop(name)
