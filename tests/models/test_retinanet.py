"""The RetinaNet head against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet as TorchvisionRetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead

from nas.models import build
from nas.models.cost import parameters, static_costs
from nas.models.norms import GroupNorm
from nas.models.retinanet import ANCHORS, Anchors, Outputs, RetinaNet
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.topologies import fpn
from tests.models.test_fcos import CLASSES, LEVELS, SIZE, Body, padded, some_boxes

SIZES = [(SIZE // 2**level,) * 2 for level in LEVELS]


@pytest.fixture(scope="module")
def theirs() -> TorchvisionRetinaNet:
    return TorchvisionRetinaNet(Body(), CLASSES, min_size=SIZE, max_size=SIZE, anchor_generator=generator())


@pytest.fixture(scope="module")
def head() -> RetinaNet:
    return RetinaNet(32, CLASSES, LEVELS, 1, SIZE)


@pytest.fixture(scope="module")
def anchors(head: RetinaNet) -> Anchors:
    return head.points(SIZES)


def generator() -> AnchorGenerator:
    sizes = tuple(tuple(4 * 2**level * 2 ** (k / 3) for k in range(3)) for level in LEVELS)
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(LEVELS))


def some_outputs(anchors: Anchors, images: int, seed: int = 0) -> Outputs:
    rng = torch.Generator().manual_seed(seed)
    n = len(anchors.boxes)
    return Outputs(torch.randn(images, n, CLASSES, generator=rng) - 3, 0.3 * torch.randn(images, n, 4, generator=rng))


def test_anchors_are_torchvisions_half_a_cell_on_and_not_rounded(anchors: Anchors) -> None:
    strides = [[torch.tensor(2**level)] * 2 for level in LEVELS]
    expected = torch.cat(generator().grid_anchors([list(size) for size in SIZES], strides))
    half = torch.cat([torch.full((n, 1), 2 ** (level - 1)) for level, n in zip(LEVELS, anchors.counts, strict=True)])
    assert (anchors.boxes - (expected + half)).abs().max() <= 0.5
    widths = (anchors.boxes[:, 2:] - anchors.boxes[:, :2])[:ANCHORS]
    assert widths.prod(1).sqrt().tolist() == pytest.approx([32.0, 40.32, 50.8] * 3, rel=1e-3)


@pytest.mark.parametrize("scale", [0.5, 0.25])
def test_scale_shrinks_the_anchors_and_leaves_them_in_place(anchors: Anchors, scale: float) -> None:
    small = RetinaNet(32, CLASSES, LEVELS, 1, SIZE, scale).points(SIZES)
    torch.testing.assert_close(small.boxes[:, :2] + small.boxes[:, 2:], anchors.boxes[:, :2] + anchors.boxes[:, 2:])
    torch.testing.assert_close(
        small.boxes[:, 2:] - small.boxes[:, :2], scale * (anchors.boxes[:, 2:] - anchors.boxes[:, :2])
    )


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_assignment_are_torchvisions(
    theirs: TorchvisionRetinaNet, head: RetinaNet, anchors: Anchors, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [some_boxes(n, 10 * seed + n) for n in (1, 6, 30)]
    labels = [torch.arange(len(b)) % CLASSES for b in boxes]
    outputs = some_outputs(anchors, 3, seed)
    raw = {"cls_logits": outputs.logits, "bbox_regression": outputs.offsets}
    targets = [{"boxes": b, "labels": x} for b, x in zip(boxes, labels, strict=True)]
    matched: list[Tensor] = []
    loss_of = theirs.head.compute_loss

    def spy(targets: object, raw: object, anchors: object, matched_idxs: list[Tensor]) -> object:
        matched.extend(matched_idxs)
        return loss_of(targets, raw, anchors, matched_idxs)

    monkeypatch.setattr(theirs.head, "compute_loss", spy)
    losses = theirs.compute_loss(targets, raw, [anchors.boxes] * 3)
    together, valid = padded(boxes)
    named = torch.zeros(valid.shape, dtype=torch.long)
    named[valid] = torch.cat(labels)
    assigned = head.assign(anchors, together, valid)
    assert torch.equal(assigned, torch.stack(matched))
    assert {-2, -1} < set(assigned[2].tolist())
    torch.testing.assert_close(head.loss(outputs, anchors, together, named, assigned), sum(losses.values()))


def test_detections_are_torchvisions(theirs: TorchvisionRetinaNet, head: RetinaNet, anchors: Anchors) -> None:
    outputs = some_outputs(anchors, 2)
    counts = list(anchors.counts)
    by_level = (list(x.split(counts, 1)) for x in outputs)
    raw = dict(zip(("cls_logits", "bbox_regression"), by_level, strict=True))
    expected = theirs.postprocess_detections(raw, [list(anchors.boxes.split(counts))] * 2, [(SIZE, SIZE)] * 2)
    found = head.detect(outputs, anchors, threshold=theirs.score_thresh, most=theirs.detections_per_img)
    for own, other in zip(found, expected, strict=True):
        assert len(own.boxes) > 50
        torch.testing.assert_close(own.scores, other["scores"])
        torch.testing.assert_close(own.boxes, other["boxes"])
        assert torch.equal(own.labels, other["labels"])


def test_padding_is_never_assigned(head: RetinaNet, anchors: Anchors) -> None:
    boxes = some_boxes(5, 0)
    garbage = torch.cat((torch.tensor([[0.0, 0.0, SIZE, SIZE]]), boxes))
    valid = torch.tensor([[False] + [True] * 5])
    alone = head.assign(anchors, boxes[None], torch.ones(1, 5, dtype=torch.bool))
    assert torch.equal(head.assign(anchors, garbage[None], valid), torch.where(alone >= 0, alone + 1, alone))


@pytest.mark.parametrize("boxes", [torch.zeros(2, 0, 4), torch.zeros(2, 3, 4)], ids=["no boxes", "padding alone"])
def test_a_batch_without_any_box_has_a_finite_loss(head: RetinaNet, anchors: Anchors, boxes: Tensor) -> None:
    valid = (boxes[..., 2:] > boxes[..., :2]).all(-1)
    assigned = head.assign(anchors, boxes, valid)
    assert (assigned == -1).all()
    outputs = Outputs(*(x.requires_grad_() for x in some_outputs(anchors, 2)))
    loss = head.loss(outputs, anchors, boxes, torch.zeros(valid.shape, dtype=torch.long), assigned)
    loss.backward()
    assert loss.isfinite()
    assert outputs.logits.grad is not None
    assert outputs.logits.grad.any()


@pytest.mark.parametrize("width", [8, 20, 7])
@pytest.mark.parametrize("convs", [0, 2])
def test_any_width_and_any_number_of_convolutions(width: int, convs: int) -> None:
    head = RetinaNet(width, CLASSES, LEVELS, convs, 64)
    maps = [torch.randn(2, width, 64 // 2**level, 64 // 2**level) for level in LEVELS]
    outputs = head(maps)
    assert [tuple(x.shape) for x in outputs] == [(2, 84 * ANCHORS, CLASSES), (2, 84 * ANCHORS, 4)]
    assert len(head.points([m.shape[-2:] for m in maps]).boxes) == 84 * ANCHORS
    sum(x.sum() for x in outputs).backward()
    assert all(p.grad is not None for p in head.parameters())


def test_four_convolutions_are_torchvisions_towers() -> None:
    own, other = RetinaNet(32, CLASSES, LEVELS, 4, SIZE), RetinaNetHead(32, ANCHORS, CLASSES, norm_layer=GroupNorm)
    own.towers.load_state_dict(other.state_dict())
    maps = [torch.randn(1, 32, *size) for size in SIZES]
    expected = other(maps)
    assert torch.equal(own(maps).logits, expected["cls_logits"])
    assert torch.equal(own(maps).offsets, expected["bbox_regression"])
    fresh = [layer for layer in RetinaNet(256, 1, (3,), 1, 64).towers.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.weight.std().item() for layer in fresh] == pytest.approx([0.01] * 4, rel=0.05)
    assert parameters(own) == parameters(other)


def test_a_detector_has_it_by_name() -> None:
    architecture = Architecture(
        backbone=BackboneSpec(levels=LEVELS),
        neck=fpn(LEVELS, 16),
        head=HeadSpec(kind="retinanet", classes=("cat", "dog"), convs=1, scale=0.5),
        image_size=64,
    )
    model = build(architecture).eval()
    assert isinstance(model.head, RetinaNet)
    assert static_costs(architecture)["params"] == parameters(model)
    assert static_costs(architecture)["macs"] > static_costs(architecture)["neck_macs"]
    with torch.no_grad():
        found = model([torch.rand(3, 64, 64), torch.rand(3, 48, 96)])
    assert [set(x) for x in found] == [{"boxes", "scores", "labels"}] * 2
