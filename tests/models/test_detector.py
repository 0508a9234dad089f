"""From images of any size to boxes in their own pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nas.errors import UserError
from nas.models.cost import static_costs
from nas.models.detector import Detector
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.topologies import fpn, pyramid, seed_fpn
from nas.tasks.data.letterbox import letterbox

BODY = BackboneSpec(levels=(3, 4, 5), widths=(8, 8, 8, 8, 8))
HEAD = HeadSpec(classes=("a", "b", "c"))
SIZE = 96


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    model = Detector(Architecture(backbone=BODY, neck=fpn((3, 4, 5), 16), head=HEAD, image_size=SIZE)).eval()
    # Boxes of every size and class from random weights.
    torch.nn.init.normal_(model.head.regression.bbox_reg.weight, std=0.5)
    torch.nn.init.normal_(model.head.classification.cls_logits.weight, std=0.5)
    return model


def seen(detector: Detector, images: list[Tensor]) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """What the backbone got, and the results."""
    got: list[Tensor] = []
    hook = detector.backbone.register_forward_pre_hook(lambda module, args: got.append(args[0]))
    with torch.no_grad():
        results = detector(images)
    hook.remove()
    return got[0], results


SIZES = [(96, 96), (48, 48), (200, 150), (60, 131), (5, 96), (300, 5)]


def test_boxes_are_in_each_images_own_pixels(detector: Detector) -> None:
    images = [torch.rand(3, h, w) for h, w in SIZES]
    boxed, results = seen(detector, images)
    _, squares = seen(detector, list(boxed))
    for image, own, square in zip(images, results, squares, strict=True):
        h, w = image.shape[-2:]
        assert len(own["boxes"]) > 0
        assert own["boxes"].min() >= 0
        assert (own["boxes"][:, 2] <= w).all()
        assert (own["boxes"][:, 3] <= h).all()
        expected = square["boxes"] * (max(h, w) / SIZE)
        torch.testing.assert_close(own["boxes"], torch.minimum(expected, torch.tensor([w, h, w, h])))
        torch.testing.assert_close(own["scores"], square["scores"])
        assert torch.equal(own["labels"], square["labels"])
        assert own["labels"].max() < 3


@pytest.mark.parametrize("size", SIZES)
def test_images_are_letterboxed_as_the_tasks_are(detector: Detector, size: tuple[int, int]) -> None:
    # A smooth picture: antialiasing filters differ in their last digits.
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], -1)
    pixels = (127 + 120 * waves).astype(np.uint8)
    expected, _ = letterbox(Image.fromarray(pixels), SIZE)
    boxed, _ = seen(detector, [torch.from_numpy(pixels).permute(2, 0, 1).float() / 255])
    difference = np.abs(255 * boxed[0].permute(1, 2, 0).numpy() - expected)
    assert difference.max() <= 1.01


def test_a_batch_of_the_right_size_is_taken_as_it_is(detector: Detector) -> None:
    images = torch.rand(2, 3, SIZE, SIZE)
    got, results = seen(detector, images)
    assert torch.equal(got, images)
    assert len(results) == 2


def test_unequal_widths_get_an_adaptor_that_counts() -> None:
    widths = {3: 8, 4: 16, 5: 12}
    neck = pyramid((3, 4, 5), (3, 4, 5), widths)
    architecture = Architecture(backbone=BODY, neck=neck, head=HEAD, image_size=SIZE)
    model = Detector(architecture)
    costs = static_costs(architecture)
    alone = sum(p.numel() for p in model.neck.parameters())
    assert costs["neck_params"] - alone == (8 * 16 + 16) + (12 * 16 + 16)
    assert [x.shape[1] for x in model.pyramid(model.backbone(torch.rand(2, 3, SIZE, SIZE)))] == [16] * 3

    wider = architecture.model_copy(update={"head": HEAD.model_copy(update={"width": 8})})
    assert static_costs(wider)["neck_params"] - alone == (16 * 8 + 8) + (12 * 8 + 8)


def test_what_makes_no_detector_is_a_sentence() -> None:
    with pytest.raises(UserError, match="a pyramid without a head: give it head and image_size"):
        Detector(Architecture(backbone=BODY, neck=fpn((3, 4, 5), 16)))
    seed = BackboneSpec(levels=(1, 2, 3), widths=(8, 8, 8))
    merged = Architecture(backbone=seed, neck=seed_fpn((1, 2, 3), 8), head=HEAD, image_size=SIZE)
    with pytest.raises(UserError, match="the fcos head takes a pyramid, and this neck merges its maps into one"):
        Detector(merged)
