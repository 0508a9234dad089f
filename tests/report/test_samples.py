from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.report.pictures import extent_of, spread, truth_of, truth_picture, validation_images
from nas.report.samples import _agreement, sample_predictions
from nas.storage import Store, open_store
from nas.studies.spec import TaskSpec
from tests.exports.trained import export_of_digits
from tests.report.studies import searched


@pytest.mark.slow
def test_pictures_of_the_truth_and_of_what_a_model_predicts(tmp_path: Path) -> None:
    export_of_digits(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=False) as store:
        found = sample_predictions(store, "digits", count=3)
    assert (len(found.samples), found.reason) == (3, "")
    assert len({sample.name for sample in found.samples}) == 3
    for sample in found.samples:
        for data in (sample.truth, sample.prediction):
            with Image.open(io.BytesIO(data)) as picture:
                assert (picture.format, picture.size) == ("JPEG", sample.size)
        assert "objects found" in sample.about


def test_without_weights_there_is_a_reason(store: Store) -> None:
    searched(store)
    found = sample_predictions(store, "cells")
    assert found.samples == ()
    assert found.reason.startswith("the weights of trial 12 of study 'cells' were not kept")


@pytest.fixture(scope="module")
def digits() -> TaskSpec:
    data = {"kind": "digits", "train": 16, "val": 8}
    return TaskSpec.parse({"kind": "detection", "data": data, "image_size": 64})


def test_the_truth_is_drawn_over_the_image(digits: TaskSpec) -> None:
    split, classes = validation_images(digits), tuple("0123456789")
    chosen = spread(split, 4)
    assert len(chosen) == 4
    assert chosen == sorted(set(chosen))
    i = chosen[0]
    picture = truth_picture(split, i, classes)
    assert extent_of(split, i) == (64, 64)
    plain = Image.fromarray(split.batch([i])[0]).resize(picture.size, Image.Resampling.BICUBIC)
    assert truth_of(split, i, classes)
    assert np.any(np.asarray(picture) != np.asarray(plain))


def test_class_maps_are_laid_over_the_image(digits: TaskSpec) -> None:
    split = validation_images(digits.model_copy(update={"kind": "segmentation"}))
    picture = truth_picture(split, 0, tuple("0123456789"))
    assert picture.size == (352, 352)


def test_an_object_counts_once() -> None:
    truth = [{"box": [0, 0, 10, 10], "class": "cat"}, {"box": [20, 0, 30, 10], "class": "dog"}]
    box = {"box": [0, 0, 10, 9], "class": "cat", "score": 0.9}
    assert _agreement(truth, [box, box | {"score": 0.8}]) == "1 of 2 objects found, 1 wrong"
    assert _agreement(truth, [box | {"class": "dog"}]) == "0 of 2 objects found, 1 wrong"
    assert _agreement(truth, [box]) == "1 of 2 objects found"
