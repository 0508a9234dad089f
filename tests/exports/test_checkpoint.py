from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.errors import UserError
from nas.exports.checkpoint import (
    Checkpoint,
    differences,
    read_checkpoint,
    write_curve,
)
from nas.exports.train import PLACES
from nas.studies.records import Progress
from nas.tasks.continuation import random_states, set_random_states


def checkpoint() -> Checkpoint:
    progress = Progress(epoch=1, epochs=2, seconds=1.5, metrics={"loss": 0.5, "ap": None})
    return Checkpoint(
        {"seed": 0},
        "abc",
        {"w": torch.rand(2)},
        {"epoch": 1, "losses": [0.5]},
        random_states(),
        [progress.model_dump()],
        1,
    )


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    saved = checkpoint()
    saved.save(tmp_path / "new")
    found = read_checkpoint(tmp_path / "new")
    assert found is not None
    assert torch.equal(found.model["w"], saved.model["w"])
    assert (found.settings, found.fingerprint, found.training) == (saved.settings, saved.fingerprint, saved.training)
    assert Progress.parse(found.curve[0]).metrics == {"loss": 0.5, "ap": None}
    expected = torch.rand(3)
    set_random_states(found.random)
    assert torch.equal(torch.rand(3), expected)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint().save(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="remove it to start over"):
        read_checkpoint(tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    checkpoint().save(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        checkpoint().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    checkpoint().save(tmp_path)
    monkeypatch.setattr("torch.load", denied)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        read_checkpoint(tmp_path)


def test_the_curve_has_a_line_an_epoch(tmp_path: Path) -> None:
    rows = [{"loss": 2.5}, {"loss": 1.0, "ap": 0.25, "ap_small": None}]
    write_curve(tmp_path, [Progress(epoch=k, epochs=2, seconds=k, metrics=m) for k, m in enumerate(rows, 1)])
    assert (tmp_path / "curve.csv").read_text() == "epoch,seconds,loss,ap,ap_small\n1,1.0,2.5,,\n2,2.0,1.0,0.25,\n"


@pytest.mark.parametrize("content", [b"", b"hello world\nhello\n", b"\x80\x02}", bytes(100)])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(UserError, match="damaged or of another version"):
        read_checkpoint(tmp_path)


def test_places_may_change_and_settings_may_not() -> None:
    then = {"task": {"lr": 0.1, "data": {"root": "/a", "kind": "voc"}, "cache_bytes": 1.0}, "seed": 0}
    now = {"task": {"lr": 0.2, "data": {"root": "/b", "kind": "voc"}, "cache_bytes": 2.0}, "seed": 0}
    assert differences(then, now, PLACES) == ["task.lr 0.1 (now 0.2)"]
    assert differences(then, then) == []
