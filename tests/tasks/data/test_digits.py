"""Scenes of digits: deterministic, sound, of many scales, with train and val apart."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import MASKS, Dataset, digits, load


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load(DataSpec(kind="digits", train=200, val=100), 128)


def test_the_same_seed_gives_the_same_scenes(data: Dataset) -> None:
    again = load(DataSpec(kind="digits", train=200, val=100), 128)
    assert again.digest == data.digest
    assert (again.train.batch([0, 7]) == data.train.batch([0, 7])).all()
    assert load(DataSpec(kind="digits", train=200, val=100, seed=1), 128).digest != data.digest


def test_more_scenes_begin_with_the_same(data: Dataset) -> None:
    fewer = load(DataSpec(kind="digits", train=16, val=8), 128)
    assert (fewer.train.batch(range(16)) == data.train.batch(range(16))).all()


def test_boxes_lie_within_and_their_number_is_three_to_eight(data: Dataset) -> None:
    for split in (data.train, data.val):
        assert split.boxes.min() >= 0
        assert split.boxes.max() <= 128
        assert (split.boxes[:, 2:] - split.boxes[:, :2]).min() >= 1
        assert set(np.diff(split.first)) == set(range(3, 9))
        assert set(split.labels) == set(range(10))
        assert not split.crowd.any()


def test_sides_are_spread_evenly_over_the_scales(data: Dataset) -> None:
    side = (data.train.boxes[:, 2:] - data.train.boxes[:, :2]).max(1) / 128
    assert 0.04 < side.min() < 0.075
    assert 0.55 < side.max() < 0.65
    # Log-uniform between 6 % and 60 %: the median is their geometric mean, 19 %.
    assert 0.15 < np.median(side) < 0.22


def test_boxes_hug_the_ink() -> None:
    """Painted white on black, a digit touches all four sides of its box."""
    rng = np.random.default_rng(0)
    scans = digits._scans(True, digits.CLASSES)
    canvas = np.zeros((128, 128, 3), np.float32)
    ink, x, y = digits._place(rng, scans.ink[5], 40.0, np.empty((0, 4), np.float32), 128)
    digits._paint(canvas, ink, x, y, np.ones(3, np.float32))
    rows, columns = np.nonzero(canvas[..., 0] > 0.3)
    assert (columns.min(), rows.min()) == (x, y)
    assert (columns.max() + 1, rows.max() + 1) == (x + ink.shape[1], y + ink.shape[0])
    assert abs(max(ink.shape) - 40) <= 4


def test_digits_hardly_overlap(data: Dataset) -> None:
    worst = [
        digits._overlap(boxes[k : k + 1].astype(np.int64), np.delete(boxes, k, axis=0))[0]
        for boxes in (data.train.targets(i)[0] for i in range(len(data.train)))
        for k in range(len(boxes))
    ]
    assert np.mean(np.array(worst) > digits._OVERLAP + 1e-6) < 0.01


def test_train_and_val_are_made_of_different_scans() -> None:
    from sklearn.datasets import load_digits

    train, val = (digits._scans(part, digits.CLASSES) for part in (True, False))
    assert len(train.ink) + len(val.ink) == len(load_digits().target)
    shared = {scan.tobytes() for scan in train.ink} & {scan.tobytes() for scan in val.ink}
    assert not shared


def test_listed_classes_only() -> None:
    data = load(DataSpec(kind="digits", classes=("7", "1"), train=16, val=8), 64)
    assert data.classes == ("7", "1")
    assert set(data.train.labels) == {0, 1}
    scans = digits._scans(True, ("7", "1"))
    assert 170 * 2 / 3 * 2 < len(scans.ink) < 190 * 2


def test_there_is_no_folder_and_no_eleventh_digit() -> None:
    with pytest.raises(UserError, match=r"(?s)root: digits are generated.*classes: unknown ten"):
        load(DataSpec(kind="digits", root="somewhere", classes=("ten",)), 64)


def test_quick() -> None:
    start = time.process_time()
    load(DataSpec(kind="digits", train=300, val=100), 128)
    assert time.process_time() - start < 6, "twice what is promised, for a busy machine"


@pytest.mark.parametrize("size", [32, 320])
def test_small_and_large_images(size: int) -> None:
    split = load(DataSpec(kind="digits", train=16, val=8), size).train
    assert split.batch([0]).shape == (1, size, size, 3)
    assert (split.boxes[:, 2:] > split.boxes[:, :2]).all()


def test_digits_that_would_vanish_stay_as_small_as_can_be_seen() -> None:
    scenes = load(DataSpec(kind="digits", train=384, val=192), 32)
    for part in (scenes.train, scenes.val):
        assert ((part.boxes[:, 2:] - part.boxes[:, :2]) >= 1).all()


def test_scenes_for_tests_are_composed_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[str] = []
    original = digits._compose
    monkeypatch.setattr(digits, "_compose", lambda *args: composed.append(args[4]) or original(*args))
    spec = DataSpec(kind="digits", train=16, val=8, test=12)
    data = load(spec, 64)
    assert composed == ["train", "val"]
    test = data.with_test(0, data.faults).test
    assert test is not None
    assert (len(test), test.names[0], test.paths) == (12, "test/00000", ())
    assert not np.array_equal(test.batch(range(8)), data.val.batch(range(8)))
    assert load(spec.model_copy(update={"test": 8}), 64).digest == data.digest
    assert np.array_equal(load(spec, 64).with_test(0, data.faults).test.batch([3]), test.batch([3]))


def test_scenes_for_tests_have_territories() -> None:
    data = load(DataSpec(kind="digits", train=16, val=8, test=8), 64, kinds=MASKS)
    test = data.with_test(0, data.faults).test
    assert data.train.territories is None
    assert test.masks.any()
    assert test.territories.any()


def test_a_share_of_train_for_tests_is_refused() -> None:
    with pytest.raises(UserError, match="data: test_fraction: scenes for tests are composed: set their number by test"):
        load(DataSpec(kind="digits", test_fraction=0.1), 64)
