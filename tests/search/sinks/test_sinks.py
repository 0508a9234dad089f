"""What sinks get of a search, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from nas import plugins
from nas.errors import UserError
from nas.search.sinks import Sink, background, built, opened
from tests.search.sinks.conftest import Launch


class Recording(Sink):
    """Keeps what it gets."""

    made: list[Recording] = []

    def __init__(self, place: str, study: str) -> None:
        super().__init__(place, study)
        self.calls: list[tuple[Any, ...]] = []
        self.made.append(self)

    def begun(self, run: str, about: Any) -> None:
        self.calls.append(("begun", run, dict(about)))

    def progressed(self, run: str, epoch: int, metrics: Any) -> None:
        self.calls.append(("progressed", run, epoch, metrics["ap"]))

    def ended(self, run: str, state: str, metrics: Any) -> None:
        self.calls.append(("ended", run, state, metrics.get("ap")))

    def close(self) -> None:
        self.calls.append(("closed",))


class Broken(Recording):
    def progressed(self, run: str, epoch: int, metrics: Any) -> None:
        raise OSError(f"{self.place} is gone\nand more")


class Stuck(Recording):
    def begun(self, run: str, about: Any) -> None:
        never.wait()


never = Event()


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    kinds = {"recording": Recording, "broken": Broken, "stuck": Stuck}
    for name, kind in kinds.items():
        plugins.register("sinks", name, kind)
    Recording.made.clear()
    never.clear()
    yield
    never.set()
    for name in kinds:
        plugins.forget("sinks", name)


def test_a_sink_gets_every_training(launch: Launch) -> None:
    result = launch("recording:x")
    (sink,) = Recording.made
    assert (sink.place, sink.study) == ("x", "small")
    assert sink.calls[-1] == ("closed",)
    runs = [call[1] for call in sink.calls if call[0] == "begun"]
    assert runs == ["trial 0 (baseline fpn)", "trial 1 (baseline panet)", "trial 2"]
    begun, *epochs, ended = [call for call in sink.calls if call[1:2] == ("trial 2",)]
    assert begun[2].keys() == {"neck", "digest", "epochs", "seed"}
    assert [call[:3] for call in epochs] == [("progressed", "trial 2", epoch) for epoch in (1, 2, 3)]
    assert ended == ("ended", "trial 2", "complete", epochs[-1][3])
    assert result.trials.complete == 3


def test_every_training_that_begins_ends_also_one_that_is_stopped(launch: Launch) -> None:
    launch("recording:x", trials=5, constraints={"latency_ms": 250.0})
    (sink,) = Recording.made
    ends = {call[1]: call[2] for call in sink.calls if call[0] == "ended"}
    assert ends.keys() == {call[1] for call in sink.calls if call[0] == "begun"}
    assert set(ends.values()) == {"complete", "infeasible"}


def test_a_sink_that_fails_is_dropped_with_a_line_and_the_search_goes_on(launch: Launch) -> None:
    lines: list[str] = []
    result = launch("broken:secret", "recording:x", lines=lines)
    assert (result.state, result.trials.complete) == ("done", 3)
    dropped = [line for line in lines if "sink" in line]
    assert dropped == ["sink broken was dropped (OSError: its place is gone); the search goes on without it"]
    assert Recording.made[1].calls[-1] == ("closed",)


def test_a_sink_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PATIENCE_SECONDS", 0.2)
    lines: list[str] = []
    with opened(built(["stuck:x", "recording:y"], "small"), lines.append) as sinks:
        sinks.begun("trial 0", {})
    assert lines == ["sink stuck is not done after 0 s and is given up"]
    assert Recording.made[1].calls == [("begun", "trial 0", {}), ("closed",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wandb:x", "unknown sink 'wandb'; one of mlflow, tensorboard"),
        ("tensorboard", "sink 'tensorboard' has no place: write tensorboard:PLACE"),
        ("mlflow:", "sink 'mlflow:' has no place"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_written(
    text: str, message: str, launch: Launch, tmp_path: Path
) -> None:
    lines: list[str] = []
    with pytest.raises(UserError, match=message):
        launch(text, lines=lines)
    assert lines == []  # nor is any data read
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.sinks.contract.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"sink mlflow needs the package mlflow: pip install 'pyramid-nas\[mlflow\]'"):
        built(["mlflow:x"], "small")
