"""Splits: held or read from their files, the same pixels; digests; the way through Ray's object store."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from nas.errors import TrialFailed
from nas.studies.spec import DataSpec
from nas.tasks.data import load
from nas.text import heard_by
from tests.tasks.data.folders import voc_object, write_image, write_voc


@pytest.fixture
def spec(tmp_path: Path) -> DataSpec:
    objects = [voc_object("cell", (11, 6, 30, 25))]
    root = write_voc(tmp_path, dict.fromkeys("abcdef", objects), ["e", "f"])
    return DataSpec(kind="voc", root=str(root))


def test_held_or_not_the_same_pixels_and_digest(spec: DataSpec) -> None:
    held, read = load(spec, 32), load(spec, 32, held=0)
    assert held.digest == read.digest
    assert held.train.images is not None
    assert read.train.images is None
    assert (held.train.batch([3, 0]) == read.train.batch([3, 0])).all()
    assert (held.train.batch([3]) == held.train.images[3]).all()
    assert read.train.batch([]).shape == held.train.batch([]).shape == (0, 32, 32, 3)


def test_a_batch_is_a_copy(spec: DataSpec) -> None:
    split = load(spec, 32).train
    before = split.batch([0])
    split.batch([0])[:] = 0
    assert (split.batch([0]) == before).all()


def test_a_file_that_vanishes_fails_the_trial(spec: DataSpec) -> None:
    split = load(spec, 32, held=0).train
    Path(split.paths[1]).unlink()
    with pytest.raises(TrialFailed, match=r"b\.png can no longer be read"):
        split.batch([0, 1])


def test_the_digest_names_the_content(spec: DataSpec) -> None:
    root = Path(str(spec.root))
    seen = {load(spec, 32).digest, load(spec, 64).digest}
    write_image(root / "JPEGImages/a.png", seed=99)
    seen.add(load(spec, 32).digest)
    annotation = root / "Annotations/a.xml"
    annotation.write_text(annotation.read_text().replace("<xmin>11", "<xmin>12"))
    seen.add(load(spec, 32).digest)
    annotation.write_text(annotation.read_text().replace("<difficult>0", "<difficult>1"))
    seen.add(load(spec, 32).digest)
    for path in (root / "Annotations").iterdir():
        path.write_text(path.read_text().replace("cell", "blob"))
    seen.add(load(spec, 32).digest)
    assert len(seen) == 6
    assert all(len(digest) == 16 for digest in seen)


def test_the_digest_does_not_know_the_folder(spec: DataSpec, tmp_path: Path) -> None:
    before = load(spec, 32).digest
    moved = tmp_path.rename(tmp_path.with_name("elsewhere"))
    assert load(DataSpec(kind="voc", root=str(moved)), 32).digest == before


def test_arrays_travel_out_of_band() -> None:
    data = load(DataSpec(kind="digits", train=16, val=8), 64)
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    assert len(head) < 5000
    assert sum(buffer.raw().nbytes for buffer in buffers) > 24 * 64 * 64 * 3
    again = pickle.loads(head, buffers=[bytes(buffer.raw()) for buffer in buffers])
    assert (again.val.boxes == data.val.boxes).all()
    assert not again.val.images.flags.writeable
    assert again.val.batch([0]).flags.writeable
    assert np.array_equal(again.val.batch([2]), data.val.batch([2]))


def test_images_for_tests_travel_once_they_are_read() -> None:
    """What reads them stays here: it may hold a script's own data set."""
    data = load(DataSpec(kind="digits", train=16, val=8, test=8), 64)
    assert data.read_test is not None
    again = pickle.loads(pickle.dumps(data))
    assert (again.test, again.read_test, again.digest) == (None, None, data.digest)
    read = data.with_test(0, data.faults)
    again = pickle.loads(pickle.dumps(read))
    assert np.array_equal(again.test.batch([2]), read.test.batch([2]))
    assert data.read_test is not None


def test_a_share_of_train_keeps_the_images_for_tests() -> None:
    spec = DataSpec(kind="digits", train=16, val=8, test=8, fraction=0.5)
    data = load(spec, 64)
    assert len(data.train) == 8
    test = data.with_test(0, data.faults).test
    assert test is not None
    assert len(test) == 8


def test_images_that_take_long_to_read_are_counted(spec: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.text.Countdown.FIRST_SECONDS", 0.0)
    monkeypatch.setattr("nas.text.Countdown.EVERY_SECONDS", 0.0)
    said: list[str] = []
    with heard_by(said.append):
        load(spec, 32)
    steps = ["1 of 4", "2 of 4", "3 of 4", "1 of 2"]
    assert [line.partition(", about")[0] for line in said] == [f"data: images read: {step}" for step in steps]
