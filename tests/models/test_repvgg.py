"""The deployed form computes what the trained one does, and costs less."""

from __future__ import annotations

import pytest
import torch

import nas
from nas.models.blocks import ConvNormAct
from nas.models.cost import cost, static_costs
from nas.models.repvgg import RepConv, deployed
from nas.necks.spec import ConvSpec
from tests.models.maps import randomised


def block(**fields: object) -> ConvNormAct:
    made = randomised(ConvNormAct(ConvSpec(kind="rep_csp", **fields), 6, 8)).eval()
    assert isinstance(made, ConvNormAct)
    return made


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_one_convolution_computes_the_same(kernel: int, norm: str) -> None:
    trained = block(kernel=kernel, norm=norm, act="silu", depth=2)
    fused = deployed(trained)
    x = torch.rand(2, 6, 9, 7)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), trained(x), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(m, RepConv) for m in fused.modules())
    assert sum(isinstance(m, RepConv) for m in trained.modules()) == 2  # the trained one stays


def test_a_norm_of_the_input_is_not_fused() -> None:
    trained = block(norm="group", act="silu")
    assert sum(isinstance(m, RepConv) for m in deployed(trained).modules()) == 1


def test_nothing_to_fuse_is_the_model_itself() -> None:
    model = ConvNormAct(ConvSpec(), 4, 4)
    assert deployed(model) is model


def test_costs_are_of_the_deployed_form() -> None:
    """A k x k and a 1x1 convolution with BatchNorm become one k x k with a bias."""
    architecture = nas.preset("rtdetr", width=16).model_copy(update={"image_size": 64})
    costs = static_costs(architecture)
    assert costs == cost(architecture).metrics
    trained = sum(p.numel() for p in nas.build(architecture).neck.parameters())
    pairs = 4 * 3  # four fusions of three
    assert costs["neck_params"] == trained - pairs * (16 * 16 + 4 * 16 - 16)
