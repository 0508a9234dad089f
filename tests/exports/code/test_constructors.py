from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from nas.errors import NASError
from nas.exports.code.constructors import Constructors
from nas.exports.code.layout import flat


class Scaled(nn.Conv2d):
    def __init__(self, width: int, factor: object = 1.0) -> None:
        super().__init__(width, width, 3)
        self.factor = factor


class Twice(nn.Module):
    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_the_calls_that_were_made_without_defaults() -> None:
    made = Constructors(lambda: Twice([nn.Conv2d(3, 8, 1, padding=0, bias=False), Scaled(8, factor=2.0)]))
    assert flat(made.expression(made.model)) == "Twice([nn.Conv2d(3, 8, 1, bias=False), Scaled(8, factor=2.0)])"
    assert made.operators == {"Twice": Twice, "Scaled": Scaled}


def test_named_layers_are_a_block() -> None:
    made = Constructors(lambda: nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 8, 1), act=nn.ReLU())))
    assert flat(made.expression(made.model)) == "block(conv=nn.Conv2d(3, 8, 1), act=nn.ReLU())"


def test_nothing_is_left_behind() -> None:
    before = nn.Conv2d.__init__
    Constructors(lambda: nn.Conv2d(3, 8, 1))
    assert nn.Conv2d.__init__ is before
    assert torch.empty(1).device.type == "cpu"


def test_a_value_without_text_is_refused() -> None:
    made = Constructors(lambda: Scaled(8, object()))
    with pytest.raises(NASError, match=r"cannot be written into a model\.py"):
        made.expression(made.model)
