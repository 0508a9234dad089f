"""Memory counted by hand, against the allocator where there is a GPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.models.cost import cost
from nas.models.cost.memory import ActivationMemory
from nas.models.detector import Detector
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.topologies import fpn, panet

FLOAT = 4
"""Bytes."""


def peak(model: nn.Module, *shape: int) -> int:
    model.to("meta")
    with torch.device("meta"), torch.no_grad(), ActivationMemory() as memory:
        model(torch.empty(shape))
    return memory.peak


def test_a_chain_holds_its_input_and_of_each_step_what_goes_in_and_what_comes_out() -> None:
    chain = nn.Sequential(nn.Conv2d(2, 8, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 9, 1))
    assert peak(chain, 1, 2, 5, 5) == (2 + max(8 + 4, 4 + 9)) * 25 * FLOAT


def test_what_is_done_in_place_takes_nothing() -> None:
    with torch.device("meta"), torch.no_grad(), ActivationMemory() as memory:
        x = torch.empty(1, 2, 5, 5)
        nn.functional.relu_(x)
        x.view(50).add_(1)
    assert memory.peak == memory.alive == 50 * FLOAT
    with torch.device("meta"), ActivationMemory() as memory:
        y = torch.relu(torch.empty(50))
        assert memory.alive == 50 * FLOAT
        assert memory.peak == 100 * FLOAT
        del y
    assert memory.alive == 0


def test_weights_do_not_count_nor_do_views_of_them() -> None:
    weight = torch.empty(1000, device="meta")
    with torch.device("meta"), ActivationMemory() as memory:
        seen = weight.view(10, 100)
        made = seen + 1
    assert memory.peak == 1000 * FLOAT
    assert made.shape == seen.shape


def test_a_skip_connection_is_held_until_it_is_taken() -> None:
    class Skip(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(x)
            z = torch.relu(y)
            del y
            return x + z

    assert peak(Skip(), 1, 100) == 3 * 100 * FLOAT


def architecture(neck_width: int = 8, size: int = 64) -> Architecture:
    backbone = BackboneSpec(levels=(3, 4), widths=(4, 4, 8, 8))
    return Architecture(
        backbone=backbone, neck=panet((3, 4), neck_width), head=HeadSpec(classes=("a", "b")), image_size=size
    )


@pytest.mark.parametrize("width", [8, 512])
def test_backbone_and_rest_together_are_one_pass_of_the_whole(width: int) -> None:
    given = architecture(width)
    found = cost(given)
    with torch.device("meta"), torch.no_grad():
        model = Detector(given).eval()
        with ActivationMemory() as memory:
            image = torch.empty(1, 3, 64, 64)
            model.raw(image)
    assert found.activation_bytes == memory.peak
    assert (found.rest_bytes > found.backbone_bytes) == (width == 512)


def test_it_grows_with_the_image() -> None:
    small, large = cost(architecture(size=64)), cost(architecture(size=128))
    # The few bytes of a BatchNorm's statistics do not grow.
    assert large.activation_bytes == pytest.approx(4 * small.activation_bytes, rel=1e-3)
    assert large.rest_bytes == 4 * small.rest_bytes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares with the allocator of a GPU, and there is none")
def test_it_is_what_the_allocator_of_a_gpu_says() -> None:
    given = Architecture(
        backbone=BackboneSpec(levels=(3, 4, 5)), neck=fpn((3, 4, 5), 64), head=HeadSpec(classes=("a",)), image_size=512
    )
    model = Detector(given).eval().cuda()
    with torch.inference_mode():
        model.raw(torch.rand(1, 3, 512, 512, device="cuda"))
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        model.raw(torch.rand(1, 3, 512, 512, device="cuda"))
    # The allocator rounds up, and kernels take room to work in.
    assert torch.cuda.max_memory_allocated() - before == pytest.approx(cost(given).activation_bytes, rel=0.25)
