"""The FCOS head against torchvision's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS as TorchvisionFCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator

from nas.models import fcos
from nas.models.fcos import FCOS, Outputs, Points

LEVELS = (3, 4, 5)
SIZE = 128
CLASSES = 4


class Body(nn.Module):
    out_channels = 32


@pytest.fixture(scope="module")
def theirs() -> TorchvisionFCOS:
    anchors = AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3)
    return TorchvisionFCOS(Body(), CLASSES, min_size=SIZE, max_size=SIZE, anchor_generator=anchors)


@pytest.fixture(scope="module")
def head() -> FCOS:
    return FCOS(32, CLASSES, LEVELS, 1, SIZE)


@pytest.fixture(scope="module")
def points(head: FCOS) -> Points:
    return head.points([(SIZE // 2**level,) * 2 for level in LEVELS])


def anchors_of(points: Points) -> Tensor:
    """Torchvision's way to write a point with its stride."""
    half = points.strides[:, None] / 2
    return torch.cat((points.centres - half, points.centres + half), 1)


def some_boxes(count: int, seed: int, low: float = 3, high: float = 110) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    side = low * (high / low) ** torch.rand(count, 2, generator=rng)
    start = torch.rand(count, 2, generator=rng) * (SIZE - side)
    return torch.cat((start, start + side), 1)


def some_outputs(points: Points, images: int, seed: int = 0) -> Outputs:
    rng = torch.Generator().manual_seed(seed)
    n = len(points.centres)
    return Outputs(
        torch.randn(images, n, CLASSES, generator=rng),
        3 * torch.rand(images, n, 4, generator=rng),
        torch.randn(images, n, generator=rng),
    )


def padded(boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
    most = max(len(b) for b in boxes)
    filled = torch.zeros(len(boxes), most, 4)
    valid = torch.zeros(len(boxes), most, dtype=torch.bool)
    for i, own in enumerate(boxes):
        filled[i, : len(own)] = own
        valid[i, : len(own)] = True
    return filled, valid


def their_outputs(outputs: Outputs) -> dict[str, Tensor]:
    return {
        "cls_logits": outputs.logits,
        "bbox_regression": outputs.distances,
        "bbox_ctrness": outputs.centerness[..., None],
    }


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_assignment_are_torchvisions(
    theirs: TorchvisionFCOS, head: FCOS, points: Points, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [some_boxes(n, 10 * seed + n) for n in (1, 6, 30)]
    labels = [torch.arange(len(b)) % CLASSES for b in boxes]
    outputs = some_outputs(points, 3, seed)
    matched: list[Tensor] = []
    loss_of = theirs.head.compute_loss

    def spy(targets: Any, head_outputs: Any, anchors: Any, matched_idxs: list[Tensor]) -> Any:
        matched.extend(matched_idxs)
        return loss_of(targets, head_outputs, anchors, matched_idxs)

    monkeypatch.setattr(theirs.head, "compute_loss", spy)
    targets = [{"boxes": b, "labels": x} for b, x in zip(boxes, labels, strict=True)]
    losses = theirs.compute_loss(targets, their_outputs(outputs), [anchors_of(points)] * 3, list(points.counts))

    together, valid = padded(boxes)
    assigned = head.assign(points, together, valid)
    assert torch.equal(assigned, torch.stack(matched))
    assert (assigned >= 0).any()
    named = torch.zeros(valid.shape, dtype=torch.long)
    named[valid] = torch.cat(labels)
    torch.testing.assert_close(head.loss(outputs, points, together, named, assigned), sum(losses.values()))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_assignment_by_a_slow_loop(scale: float) -> None:
    head = FCOS(32, CLASSES, LEVELS, 1, 100, scale)
    sizes = [(13, 13), (7, 7), (4, 4)]
    points = head.points(sizes)
    boxes = some_boxes(12, 3, high=90)
    assigned = head.assign(points, boxes[None], torch.ones(1, 12, dtype=torch.bool))[0]
    expected = []
    for i, (level, (height, width)) in enumerate(zip(LEVELS, sizes, strict=True)):
        stride = 2**level
        low = 0 if i == 0 else 4 * stride * scale
        high = float("inf") if i == 2 else 8 * stride * scale
        for row in range(height):
            for column in range(width):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                best, smallest = -1, float("inf")
                for k, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
                    sides = (x - x0, y - y0, x1 - x, y1 - y)
                    near = max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < 1.5 * stride
                    area = (x1 - x0) * (y1 - y0)
                    if near and min(sides) > 0 and low < max(sides) < high and area < smallest:
                        best, smallest = k, area
                expected.append(best)
    assert assigned.tolist() == expected
    assert len(set(expected)) > 3


def test_padding_is_never_assigned(head: FCOS, points: Points) -> None:
    boxes = some_boxes(5, 0)
    alone = head.assign(points, boxes[None], torch.ones(1, 5, dtype=torch.bool))
    garbage = torch.cat((boxes, torch.tensor([[0.0, 0.0, SIZE, SIZE], [60.0, 60.0, 64.0, 64.0]])))
    valid = torch.tensor([[True] * 5 + [False] * 2])
    assert torch.equal(head.assign(points, garbage[None], valid), alone)


@pytest.mark.parametrize("side", [128, 100, 160])
def test_strides_are_powers_of_two_on_any_maps(side: int) -> None:
    levels = (3, 4, 5, 6, 7)
    head = FCOS(16, 2, levels, 0, side)
    sizes = [(-(-side // 2**level),) * 2 for level in levels]
    points = head.points(sizes)
    start = 0
    for level, (h, w), count in zip(levels, sizes, points.counts, strict=True):
        own = slice(start, start + count)
        assert count == h * w
        assert set(points.strides[own].tolist()) == {2.0**level}
        centres = points.centres[own].view(h, w, 2)
        assert centres[0, 0].tolist() == [2.0**level / 2] * 2
        assert centres[h - 1, 0].tolist() == [2.0**level / 2, (h - 0.5) * 2**level]  # x first
        start += count


@pytest.mark.parametrize("width", [8, 20, 48, 7])
def test_any_width_has_group_norm(width: int) -> None:
    head = FCOS(width, CLASSES, LEVELS, 2, 64)
    maps = [torch.randn(2, width, 64 // 2**level, 64 // 2**level) for level in LEVELS]
    outputs = head(maps)
    assert [tuple(x.shape) for x in outputs] == [(2, 84, CLASSES), (2, 84, 4), (2, 84)]
    sum(x.sum() for x in outputs).backward()
    assert all(p.grad is not None for p in head.parameters())


def test_detections_are_torchvisions(theirs: TorchvisionFCOS, head: FCOS, points: Points) -> None:
    outputs = some_outputs(points, 2)
    by_level = {k: list(x.split(list(points.counts), 1)) for k, x in their_outputs(outputs).items()}
    anchors = list(anchors_of(points).split(list(points.counts)))
    expected = theirs.postprocess_detections(by_level, [anchors] * 2, [(SIZE, SIZE)] * 2)
    found = head.detect(outputs, points, threshold=theirs.score_thresh)
    for own, other in zip(found, expected, strict=True):
        assert len(own.boxes) == 100
        torch.testing.assert_close(own.scores, other["scores"])
        torch.testing.assert_close(own.boxes, other["boxes"])
        assert torch.equal(own.labels, other["labels"])


def test_a_threshold_above_all_gives_empty_results(head: FCOS, points: Points) -> None:
    for found in head.detect(some_outputs(points, 2), points, threshold=1.0):
        assert [tuple(x.shape) for x in found] == [(0, 4), (0,), (0,)]


@pytest.mark.parametrize(
    "boxes",
    [torch.zeros(2, 0, 4), torch.zeros(2, 3, 4), torch.tensor([[[60.0, 60.0, 60.5, 60.5]]] * 2)],
    ids=["no boxes", "padding alone", "between the points"],
)
def test_a_batch_without_any_positive_has_a_finite_loss(head: FCOS, boxes: Tensor) -> None:
    valid = (boxes[..., 2:] > boxes[..., :2]).all(-1)
    points = head.points([(16, 16), (8, 8), (4, 4)])
    assigned = head.assign(points, boxes, valid)
    assert (assigned == -1).all()
    outputs = Outputs(*(x.requires_grad_() for x in some_outputs(points, 2)))
    loss = head.loss(outputs, points, boxes, torch.zeros(valid.shape, dtype=torch.long), assigned)
    assert loss.isfinite()
    loss.backward()
    assert outputs.logits.grad.isfinite().all()
    assert outputs.logits.grad.any()


def test_images_without_boxes_beside_others(head: FCOS, points: Points) -> None:
    boxes, valid = padded([some_boxes(4, 1), torch.zeros(0, 4)])
    assigned = head.assign(points, boxes, valid)
    assert (assigned[0] >= 0).any()
    assert (assigned[1] == -1).all()


def test_the_towers_start_with_boxes_of_two_strides_and_rare_objects(head: FCOS) -> None:
    maps = [torch.zeros(1, 32, 16, 16), torch.zeros(1, 32, 8, 8), torch.zeros(1, 32, 4, 4)]
    outputs = head(maps)
    assert outputs.distances.eq(1).all()
    torch.testing.assert_close(outputs.logits.sigmoid(), torch.full_like(outputs.logits, 0.01))


def test_a_few_pairs_at_a_time_are_assigned_alike(head: FCOS, points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, valid = padded([some_boxes(n, n) for n in (30, 1, 9)])
    valid[0, ::3] = False
    together = head.assign(points, boxes, valid)
    monkeypatch.setattr(fcos, "_PAIRS", 50)
    assert torch.equal(head.assign(points, boxes, valid), together)
    assert not (together[0] % 3 == 0).any()
    assert (together >= 0).any(dim=1).all()
