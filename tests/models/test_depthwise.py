from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from nas.models.depthwise import keep_depthwise_float32


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = timm.create_model("test_efficientnet", num_classes=4).eval()  # with convolutions of timm's own
    return made


def depthwise(model: nn.Module) -> list[nn.Conv2d]:
    return [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1]


def test_depthwise_convolutions_alone_leave_autocast(model: nn.Module) -> None:
    """And the others do not."""
    keep_depthwise_float32(model)
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    own = depthwise(model)
    assert own
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            narrow = any(module is m for m in own)
            module.register_forward_hook(lambda m, i, o, narrow=narrow: kinds[narrow].add(o.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.randn(2, 3, 64, 64)).sum().backward()
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}
    assert all(m.weight.grad is not None and m.weight.grad.dtype == torch.float32 for m in own)


def test_in_float32_nothing_changes_nor_the_second_time(model: nn.Module) -> None:
    x = torch.randn(2, 3, 64, 64)
    before, names = model(x), list(model.state_dict())
    for _ in range(2):
        keep_depthwise_float32(model)
        assert torch.equal(model(x), before)
        assert list(model.state_dict()) == names
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.mul_(2)
    assert torch.equal(model(x), before), "a copy has weights of its own"
    assert not torch.equal(copied(x), before)
