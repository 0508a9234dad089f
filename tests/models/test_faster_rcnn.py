"""The Faster R-CNN head against torchvision's whole detector."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign, box_iou

from nas.models import build, faster_rcnn
from nas.models.anchors import Anchors
from nas.models.boxes import Truth
from nas.models.cost import parameters, static_costs
from nas.models.faster_rcnn import PROPOSALS, REPRESENTATION, FasterRCNN, Sampler
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.topologies import fpn, pyramid
from tests.models.test_fcos import CLASSES, LEVELS, SIZE, padded, some_boxes

WIDTH = 32
SIZES = [(SIZE // 2**level,) * 2 for level in LEVELS]
SCALE = 0.5


def some_maps(images: int, seed: int = 0) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(images, WIDTH, *size, generator=rng) for size in SIZES]


class Body(nn.Module):
    """Returns the same maps for all images, and reseeds torch: random numbers drawn before do not matter."""

    out_channels = WIDTH

    def __init__(self, maps: list[Tensor]) -> None:
        super().__init__()
        self.maps = OrderedDict((f"p{level}", x) for level, x in zip(LEVELS, maps, strict=True))

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        torch.manual_seed(7)
        return self.maps


class Ours(AnchorGenerator):
    """The head's anchors, which are not on the corners of their cells and not rounded."""

    def __init__(self, anchors: Anchors) -> None:
        super().__init__()
        self.anchors = anchors

    def forward(self, images: object, maps: object) -> list[Tensor]:
        return [self.anchors.boxes] * len(images.image_sizes)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def head() -> FasterRCNN:
    """With weights large enough that images differ in what they propose."""
    torch.manual_seed(0)
    head = FasterRCNN(WIDTH, CLASSES, LEVELS, 1, SIZE, SCALE)
    for layer in (head.rpn.head.cls_logits, head.rpn.head.bbox_pred, head.roi.box_predictor.cls_score):
        nn.init.normal_(layer.weight, std=0.3)
    return head


@pytest.fixture(scope="module")
def anchors(head: FasterRCNN) -> Anchors:
    return head.points(SIZES)


def theirs_of(head: FasterRCNN, maps: list[Tensor]) -> TorchvisionFasterRCNN:
    """torchvision's detector with the weights of `head` on `maps`."""
    names = [f"p{level}" for level in LEVELS]
    numbers = {
        f"rpn_{when}_nms_top_n_{mode}": n
        for when, n in (("pre", faster_rcnn.CANDIDATES), ("post", PROPOSALS))
        for mode in ("train", "test")
    }
    theirs = TorchvisionFasterRCNN(
        Body(maps),
        rpn_anchor_generator=Ours(head.points(SIZES)),
        rpn_head=RPNHead(WIDTH, 3),
        rpn_batch_size_per_image=faster_rcnn.ANCHORS_SAMPLED,
        box_batch_size_per_image=faster_rcnn.PROPOSALS_SAMPLED,
        box_positive_fraction=faster_rcnn.POSITIVE,
        box_roi_pool=MultiScaleRoIAlign(names, 7, faster_rcnn.SAMPLES, canonical_scale=224 * SCALE),
        box_head=TwoMLPHead(WIDTH * 49, REPRESENTATION),
        box_predictor=FastRCNNPredictor(REPRESENTATION, 1 + CLASSES),
        min_size=SIZE,
        max_size=SIZE,
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        **numbers,
    )
    theirs.rpn.load_state_dict(head.rpn.state_dict())
    theirs.roi_heads.load_state_dict(head.roi.state_dict())
    return theirs


def some_truth(counts: tuple[int, ...], seed: int) -> tuple[Truth, list[dict[str, Tensor]]]:
    """The same objects as we and as torchvision take them, whose labels count from 1."""
    boxes = [some_boxes(n, 10 * seed + n) for n in counts]
    labels = [torch.arange(n) % CLASSES for n in counts]
    together, valid = padded(boxes)
    named = torch.zeros(valid.shape, dtype=torch.long)
    named[valid] = torch.cat(labels)
    return Truth(together, named, valid), [{"boxes": b, "labels": 1 + x} for b, x in zip(boxes, labels, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_losses_are_torchvisions(head: FasterRCNN, anchors: Anchors, seed: int) -> None:
    counts = (1, 0, 6, 30)
    maps = some_maps(len(counts), seed)
    truth, targets = some_truth(counts, seed)
    theirs = theirs_of(head, maps).train()
    expected = theirs([torch.zeros(3, SIZE, SIZE)] * len(counts), targets)
    assigned = head.assign(anchors, truth.boxes, truth.valid)
    assert {-2, -1} < set(assigned[3].tolist())
    found = head.train().losses(maps, anchors, truth, assigned, torch.Generator().manual_seed(7))
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value > 0
        torch.testing.assert_close(value, expected[name], msg=name)
    again = head.training_loss(maps, anchors, truth, assigned, torch.Generator().manual_seed(7))
    torch.testing.assert_close(again, sum(expected.values()))


def test_detections_are_torchvisions(head: FasterRCNN, anchors: Anchors) -> None:
    maps = some_maps(3)
    theirs = theirs_of(head, maps).eval()
    with torch.no_grad():
        expected = theirs([torch.zeros(3, SIZE, SIZE)] * 3)
        outputs = head.eval()(maps)
    found = head.detect(outputs, anchors, threshold=0.05)
    for own, other in zip(found, expected, strict=True):
        assert len(own.boxes) > 20
        torch.testing.assert_close(own.scores, other["scores"])
        torch.testing.assert_close(own.boxes, other["boxes"], rtol=1e-4, atol=1e-3)
        assert torch.equal(own.labels, other["labels"] - 1)


def test_threshold_and_most_are_followed(head: FasterRCNN, anchors: Anchors) -> None:
    with torch.no_grad():
        outputs = head.eval()(some_maps(1))
    (every,) = head.detect(outputs, anchors, threshold=0.05)
    cut = float(every.scores[5])
    (few,) = head.detect(outputs, anchors, threshold=cut)
    (three,) = head.detect(outputs, anchors, threshold=0.05, most=3)
    assert torch.equal(few.boxes, every.boxes[:5])
    assert torch.equal(three.boxes, every.boxes[:3])
    assert (every.scores[1:] <= every.scores[:-1]).all()


def test_an_image_has_the_same_number_of_proposals_whatever_it_shows() -> None:
    """Empty ones fill up what is missing; they cost what others cost, and are never found to be objects."""
    head = FasterRCNN(8, CLASSES, (4, 5), 1, 64).eval()
    with torch.no_grad():
        outputs = head([torch.randn(2, 8, 4, 4), torch.randn(2, 8, 2, 2)])
        assert [tuple(x.shape) for x in outputs] == [
            (2, PROPOSALS, 1 + CLASSES),
            (2, PROPOSALS, 4 * (1 + CLASSES)),
            (2, PROPOSALS, 4),
        ]
        real = (outputs.proposals[..., 2:] > outputs.proposals[..., :2]).all(-1)
        assert (real.sum(1) <= 3 * 20).all()
        assert real[:, 0].all()
        best = outputs._replace(logits=torch.full_like(outputs.logits, -9.0))
        best.logits[~real, 1] = 9.0  # sure of what is not there
        assert [len(x.boxes) for x in head.detect(best, None, threshold=0.5)] == [0, 0]


def test_anchors_are_squares_of_eight_strides_and_their_ratios(anchors: Anchors) -> None:
    assert anchors.counts == tuple(3 * h * w for h, w in SIZES)
    first = anchors.boxes[:3]
    sides = first[:, 2:] - first[:, :2]
    assert sides.prod(1).sqrt().tolist() == pytest.approx([8 * 8 * SCALE] * 3)
    assert (sides[:, 1] / sides[:, 0]).tolist() == pytest.approx([0.5, 1, 2])
    torch.testing.assert_close((first[:, 2:] + first[:, :2]) / 2, torch.full((3, 2), 4.0))


@pytest.mark.parametrize(
    ("levels", "sides", "expected"),
    [
        ((3, 4, 5), (20, 150, 300, 600), [0, 0, 1, 2]),
        ((3, 5), (150, 300, 500, 3000), [0, 0, 1, 1]),
        ((4,), (5, 5000), [0, 0]),
        ((2, 3, 4, 5, 6, 7), (57, 113, 225, 449, 897, 1793), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_proposals_are_cropped_from_the_level_of_their_size(
    levels: tuple[int, ...], sides: tuple[int, ...], expected: list[int]
) -> None:
    """Each map shows the number of its level."""
    size = 4096
    head = FasterRCNN(8, CLASSES, levels, 1, size)
    maps = [torch.full((1, 8, -(-size // 2**level), -(-size // 2**level)), float(level)) for level in levels]
    boxes = torch.tensor([[8.0, 8.0, 8.0 + side, 8.0 + side] for side in sides])
    crops = head._crop(maps, [boxes])
    assert crops.shape == (len(sides), 8, 7, 7)
    assert [levels.index(int(x)) for x in crops[:, 0, 3, 3]] == expected


def test_a_cell_is_where_its_stride_says_on_maps_that_were_rounded_up() -> None:
    """P7 of 160 pixels has two cells, which torchvision would take for a stride of 64."""
    head = FasterRCNN(8, CLASSES, (7,), 1, 160, 0.01)
    x = torch.zeros(1, 8, 2, 2)
    x[..., 0, 0] = 1
    crops = head._crop([x], [torch.tensor([[0.0, 0.0, 128.0, 128.0]])])  # from the first cell's corner to the second's
    assert crops[0, 0].mean().item() == pytest.approx(0.25)


@pytest.mark.parametrize("boxes", [torch.zeros(2, 0, 4), torch.zeros(2, 3, 4)], ids=["no boxes", "padding alone"])
def test_a_batch_without_any_box_has_a_finite_loss(head: FasterRCNN, anchors: Anchors, boxes: Tensor) -> None:
    valid = (boxes[..., 2:] > boxes[..., :2]).all(-1)
    assigned = head.assign(anchors, boxes, valid)
    assert (assigned == -1).all()
    truth = Truth(boxes, torch.zeros(valid.shape, dtype=torch.long), valid)
    maps = [x.requires_grad_() for x in some_maps(2)]
    loss = head.train().training_loss(maps, anchors, truth, assigned, torch.Generator())
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad is not None and x.grad.any() for x in maps)


def test_padding_is_no_object(head: FasterRCNN, anchors: Anchors) -> None:
    truth, _ = some_truth((5,), 0)
    garbage = Truth(
        torch.cat((truth.boxes, torch.tensor([[[0.0, 0.0, SIZE, SIZE]]])), 1),
        torch.cat((truth.labels, torch.ones(1, 1, dtype=torch.long)), 1),
        torch.tensor([[True] * 5 + [False]]),
    )
    one, two = (
        head.training_loss(some_maps(1), anchors, t, head.assign(anchors, t.boxes, t.valid), torch.Generator())
        for t in (truth, garbage)
    )
    assert torch.equal(one, two)


def test_chance_is_the_generators_alone(head: FasterRCNN, anchors: Anchors) -> None:
    truth, _ = some_truth((6, 30), 1)
    assigned = head.assign(anchors, truth.boxes, truth.valid)
    before = torch.get_rng_state()
    losses = [
        head.training_loss(some_maps(2), anchors, truth, assigned, torch.Generator().manual_seed(seed)).item()
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_sampler_draws_no_more_than_it_may() -> None:
    labels = torch.tensor([1.0] * 3 + [0.0] * 50 + [-1.0] * 10)
    sampler = Sampler(16, 0.25)
    sampler.generator = torch.Generator().manual_seed(0)
    (positive,), (negative,) = sampler([labels])
    assert (int(positive.sum()), int(negative.sum())) == (3, 13)
    assert positive.nonzero().max() < 3
    assert 3 <= negative.nonzero().min() <= negative.nonzero().max() < 53
    (positive,), (negative,) = sampler([torch.ones(40)])
    assert (int(positive.sum()), int(negative.sum())) == (4, 0)


@pytest.mark.parametrize("width", [8, 20, 7])
@pytest.mark.parametrize("convs", [0, 2])
def test_any_width_and_any_number_of_convolutions(width: int, convs: int) -> None:
    head = FasterRCNN(width, CLASSES, LEVELS, convs, 64)
    maps = [torch.randn(1, width, 64 // 2**level, 64 // 2**level) for level in LEVELS]
    points = head.points([(x.shape[-2], x.shape[-1]) for x in maps])
    truth = Truth(torch.tensor([[[4.0, 4, 40, 50]]]), torch.tensor([[1]]), torch.tensor([[True]]))
    assigned = head.assign(points, truth.boxes, truth.valid)
    head.training_loss(maps, points, truth, assigned, torch.Generator()).backward()
    assert all(p.grad is not None for p in head.parameters())
    assert sum(isinstance(layer, nn.Conv2d) for layer in head.rpn.head.conv.modules()) == convs


def architecture(levels: tuple[int, ...], **spec: object) -> Architecture:
    head = HeadSpec(kind="faster_rcnn", classes=("cat", "dog"), convs=1, scale=0.5)
    neck = fpn((3, 4, 5), 16, extra=max(levels) - 5)
    return Architecture(
        **({"backbone": BackboneSpec(levels=(3, 4, 5)), "neck": neck, "head": head, "image_size": 64} | spec)
    )


def test_its_cost_is_counted_by_hand() -> None:
    given = architecture((3, 4, 5))
    model = build(given).eval()
    assert isinstance(model.head, FasterRCNN)
    costs = static_costs(given)
    assert costs["params"] == parameters(model)
    cells = sum((64 // 2**level) ** 2 for level in LEVELS)
    first = cells * (16 * 16 * 9 + 16 * 3 * (1 + 4))
    second = PROPOSALS * (16 * 49 * REPRESENTATION + REPRESENTATION**2 + REPRESENTATION * 3 * (1 + 4))
    without = static_costs(given.model_copy(update={"head": None}))
    assert costs["macs"] - without["macs"] == first + second
    assert costs["neck_macs"] == without["neck_macs"]


def test_a_detector_has_it_by_name_on_levels_of_unequal_widths() -> None:
    given = architecture((3, 4, 5), neck=pyramid((3, 4, 5), (3, 4, 5, 6), {3: 8, 4: 16, 5: 12, 6: 12}))
    model = build(given).eval()
    with torch.no_grad():
        model.threshold = 0.0
        found = model([torch.rand(3, 64, 64), torch.rand(3, 48, 96)])
    assert [set(x) for x in found] == [{"boxes", "scores", "labels"}] * 2
    assert all(len(x["boxes"]) for x in found)
    assert (found[1]["boxes"][:, 3] <= 48).all()
    assert {int(k) for x in found for k in x["labels"]} <= {0, 1}
    assert box_iou(found[0]["boxes"], found[0]["boxes"]).isfinite().all()
