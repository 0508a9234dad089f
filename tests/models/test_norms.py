from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.models.norms import GroupNorm


@pytest.mark.parametrize(("width", "groups"), [(256, 32), (64, 8), (48, 6), (20, 2), (12, 1), (7, 1), (1, 1)])
def test_a_group_has_eight_channels_or_the_next_number_that_divides_the_width(width: int, groups: int) -> None:
    assert GroupNorm(width).num_groups == groups


def test_it_is_torchs_group_norm_and_exact_for_bfloat16() -> None:
    torch.manual_seed(0)
    ours, theirs = GroupNorm(32), nn.GroupNorm(4, 32)
    x = torch.randn(2, 32, 5, 5) * 3 + 1
    assert torch.equal(ours(x), theirs(x))
    half = x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(half), theirs(half.float()).bfloat16())
