"""Data that a script gives: every form of item, the checks of folders, faults by index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, Faults, Loader
from nas.tasks.data.given import image_data

SIZE = 64
SPEC = DataSpec(kind="mine")
PIXELS = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
TARGET: dict[str, Any] = {"boxes": [[10, 8, 40, 32], [50, 0, 90, 40]], "labels": [1, 0]}
CLASSES = ("a", "b")


def load(loader: Loader, spec: DataSpec = SPEC) -> Dataset:
    assert loader.check(spec) == []
    return loader.load(spec, SIZE, 0)


def boxes(*items: Any) -> Dataset:
    return load(image_data(items, [(PIXELS, TARGET)], CLASSES))


FORMS = {
    "array": PIXELS,
    "pillow": Image.fromarray(PIXELS),
    "tensor": torch.from_numpy(PIXELS).permute(2, 0, 1),
    "floats": torch.from_numpy(PIXELS).permute(2, 0, 1) / 255,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_image_is_the_same_image(form: str) -> None:
    found, expected = boxes((FORMS[form], TARGET)), boxes((PIXELS, TARGET))
    assert found.digest == expected.digest
    assert found.train.images is not None
    assert expected.train.images is not None
    assert np.array_equal(found.train.images, expected.train.images)


def test_boxes_are_letterboxed_and_labels_are_classes() -> None:
    found = boxes((PIXELS, {k: torch.tensor(v) for k, v in TARGET.items()}))
    scale = SIZE / 96
    assert found.classes == CLASSES
    assert found.train.labels.tolist() == [1, 0]
    assert np.allclose(found.train.boxes, np.array(TARGET["boxes"]) * scale)
    assert found.train.sizes.tolist() == [[48, 96]]
    assert (found.train.names, found.train.paths) == (("train[0]",), ())
    assert found.train.batch([0]).shape == (1, SIZE, SIZE, 3)


def test_a_mapping_with_its_image_is_an_item_and_crowds_are_crowds() -> None:
    found = boxes({"image": PIXELS, "iscrowd": [1, 0], **TARGET})
    assert found.train.crowd.tolist() == [True, False]


def test_the_digest_is_of_the_content() -> None:
    assert boxes((PIXELS, TARGET)).digest == boxes((PIXELS.copy(), TARGET)).digest
    assert boxes((255 - PIXELS, TARGET)).digest != boxes((PIXELS, TARGET)).digest
    assert boxes((PIXELS, TARGET | {"labels": [0, 0]})).digest != boxes((PIXELS, TARGET)).digest


def test_every_item_is_read_once() -> None:
    asked: list[int] = []

    class Watched:
        def __len__(self) -> int:
            return 20

        def __getitem__(self, i: int) -> Any:
            asked.append(i)
            return PIXELS, TARGET

    load(image_data(Watched(), Watched(), CLASSES))
    assert sorted(asked) == sorted([*range(20)] * 2)


def test_the_checks_of_folders_find_faulty_boxes_with_their_index() -> None:
    bad = {"boxes": [[40, 8, 10, 32], [10, 8, 40, 32]], "labels": [0, 0]}
    found = boxes((PIXELS, TARGET), (PIXELS, bad))
    assert found.faults.counts == {"degenerate box": 1}
    assert found.faults.examples == {"degenerate box": ["train[1] box 0 (a)"]}
    with pytest.raises(UserError, match=r"^data mine: 1 faults, refused because of strict"):
        load(image_data([(PIXELS, bad)], [(PIXELS, TARGET)], CLASSES), SPEC.model_copy(update={"strict": True}))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (7, r"^train\[1\]: an item should be \(image, target\) or a mapping with image, not int$"),
        ((PIXELS, []), r"^train\[1\]: its target should be a mapping with boxes and labels$"),
        ((PIXELS, TARGET | {"labels": [1]}), r"^train\[1\]: 2 boxes, 1 labels and 1 crowd flags$"),
        ((PIXELS, TARGET | {"labels": [1, 2]}), r"^train\[1\]: label 2 stands for no class: they go from 0 to 1$"),
        ((PIXELS, TARGET | {"boxes": [[0, 0, 1, float("nan")]] * 2}), r"^train\[1\]: a box is not finite$"),
        ((PIXELS / 255, TARGET), r"^train\[1\]: an image should be \(H, W, 3\) of uint8, not float64 of shape"),
        ((torch.randn(3, 8, 8), TARGET), r"^train\[1\]: a floating image should lie in \[0, 1\]: leave normalisation"),
    ],
)
def test_an_item_of_another_form_is_named(item: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        boxes((PIXELS, TARGET), item)


def test_an_exception_of_the_data_set_is_named() -> None:
    class Broken(list[Any]):
        def __getitem__(self, i: Any) -> Any:
            raise KeyError("lost")

    with pytest.raises(UserError, match=r"^train\[0\]: KeyError: 'lost'$"):
        load(image_data(Broken([1]), [(PIXELS, TARGET)], CLASSES))


MASK = np.zeros((48, 96), np.int64)
MASK[10:30, 10:30], MASK[0:8, 60:90], MASK[40:, :] = 1, 2, 255


@pytest.mark.parametrize(
    "target", [MASK, {"mask": MASK}, torch.from_numpy(MASK), Image.fromarray(MASK.astype(np.uint8))]
)
def test_class_maps(target: Any) -> None:
    found = load(image_data([(PIXELS, target)], [(PIXELS, target)], CLASSES, masks=True))
    assert found.train.masks is not None
    assert set(np.unique(found.train.masks)) == {0, 1, 2, 255}
    assert found.val.territories is not None


def test_a_map_of_another_form_is_named() -> None:
    with pytest.raises(
        UserError, match=r"^train\[0\]: a mask of shape \(4, 4\) does not fit an image of 48 x 96 pixels$"
    ):
        load(image_data([(PIXELS, MASK[:4, :4])], [(PIXELS, MASK)], CLASSES, masks=True))
    with pytest.raises(UserError, match=r"^train\[0\]: a mask should hold whole numbers from 0 to 255$"):
        load(image_data([(PIXELS, MASK + 7000)], [(PIXELS, MASK)], CLASSES, masks=True))


def test_what_a_study_may_say_of_them() -> None:
    loader = image_data([(PIXELS, TARGET)], [(PIXELS, TARGET)], CLASSES)
    faults = loader.check(SPEC.model_copy(update={"root": "folder", "classes": ("a", "c")}))
    assert [fault.path for fault in faults] == ["root", "classes"]
    found = load(loader, SPEC.model_copy(update={"classes": ("b",)}))
    assert (found.classes, found.train.labels.tolist()) == (("b",), [0])


@pytest.mark.parametrize("masks", [False, True])
def test_images_for_tests_are_read_when_they_are_asked_for(masks: bool) -> None:
    class Counted(list[Any]):
        reads = 0

        def __getitem__(self, index: Any) -> Any:
            self.reads += 1
            return super().__getitem__(index)

    target: Any = np.eye(48, 96, dtype=np.uint8) if masks else TARGET
    items, unseen = [(PIXELS, target)], Counted([(PIXELS, target), (255 - PIXELS, target)])
    plain = load(image_data(items, items, CLASSES, masks=masks))
    found = load(image_data(items, items, CLASSES, masks=masks, test=unseen))
    assert (found.digest, unseen.reads) == (plain.digest, 0)
    assert found.faults.notes == ["test: 2 test images, which nothing is chosen on"]
    faults = Faults()
    test = found.with_test(0, faults).test
    assert test is not None
    assert (test.names, test.paths, faults.counts) == (("test[1]",), (), {"test image that is in train or val too": 1})
    assert test.batch([0]).shape == (1, SIZE, SIZE, 3), "held, whatever the limit: there is no file"


def test_an_item_for_tests_that_cannot_be_read_is_no_failure() -> None:
    found, faults = load(image_data([(PIXELS, TARGET)], [(PIXELS, TARGET)], CLASSES, test=[3])), Faults()
    assert found.with_test(0, faults).test is None
    assert faults.notes == [
        "test is not used: test[0]: an item should be (image, target) or a mapping with image, not int"
    ]
