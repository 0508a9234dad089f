"""Fusion operators by their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.models.fuse import FUSIONS, ChannelAttention, FastAttention, SoftmaxAttention
from nas.necks.operators import FUSIONS as WORDS


def maps(count: int, width: int = 8) -> list[Tensor]:
    return list(torch.randn(count, 2, width, 5, 7, generator=torch.Generator().manual_seed(0)))


def test_every_word_of_the_vocabulary_has_a_builder() -> None:
    assert set(FUSIONS) == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("count", [2, 3])
def test_the_vocabulary_tells_the_channels(name: str, count: int) -> None:
    count = min(count, WORDS[name].max_inputs or count)
    fused = FUSIONS[name](8, count)(maps(count))
    assert fused.shape == (2, 8 * count if WORDS[name].concatenates else 8, 5, 7)


def test_add_and_concat() -> None:
    a, b, c = maps(3)
    assert torch.equal(FUSIONS["add"](8, 3)([a, b, c]), a + b + c)
    assert torch.equal(FUSIONS["concat"](8, 3)([a, b, c]), torch.cat([a, b, c], 1))


def test_fast_attention_by_hand() -> None:
    a, b, c = maps(3)
    fuse = FastAttention(3)
    fuse.weight.data = torch.tensor([0.5, -2.0, 1.5])
    expected = (0.5 * a + 0.0 * b + 1.5 * c) / (0.5 + 0.0 + 1.5 + 1e-4)
    torch.testing.assert_close(fuse([a, b, c]), expected)


def test_fast_attention_starts_as_the_mean() -> None:
    a, b = maps(2)
    torch.testing.assert_close(FastAttention(2)([a, b]), (a + b) / 2.0001)


def test_softmax_attention_by_hand() -> None:
    a, b = maps(2)
    fuse = SoftmaxAttention(2)
    fuse.weight.data = torch.tensor([1.0, 3.0])
    e1, e3 = torch.tensor(1.0).exp(), torch.tensor(3.0).exp()
    torch.testing.assert_close(fuse([a, b]), (e1 * a + e3 * b) / (e1 + e3))


@pytest.mark.parametrize("count", [2, 3])
def test_attention_starts_as_the_plain_sum(count: int) -> None:
    xs = maps(count)
    torch.testing.assert_close(ChannelAttention(8, count)(xs), sum(xs))


def test_attention_by_hand() -> None:
    a, b = maps(2)
    fuse = ChannelAttention(8, 2)
    nn.init.normal_(fuse.excite.weight)
    nn.init.normal_(fuse.excite.bias)
    first, second = fuse.squeeze, fuse.excite
    expected = torch.empty_like(a)
    for n in range(2):
        context = (a + b)[n].mean((1, 2))
        hidden = (first.weight.flatten(1) @ context + first.bias).clamp(min=0)
        scores = second.weight.flatten(1) @ hidden + second.bias
        for channel in range(8):
            w = torch.softmax(torch.stack([scores[channel], scores[8 + channel]]), 0)
            expected[n, channel] = 2 * (w[0] * a[n, channel] + w[1] * b[n, channel])
    torch.testing.assert_close(fuse([a, b]), expected)


def test_attention_learns_its_first_layer_once_the_second_has_left_zero() -> None:
    fuse = ChannelAttention(8, 2)
    optimizer = torch.optim.SGD(fuse.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        (fuse(maps(2)) * maps(1)[0]).sum().backward()
        optimizer.step()
    assert fuse.squeeze.weight.grad.any()


@pytest.mark.parametrize("name", [name for name, word in WORDS.items() if word.commutative and not word.concatenates])
def test_commutative_fusions_do_not_care_for_the_order_at_the_start(name: str) -> None:
    a, b, c = maps(3)
    fuse = FUSIONS[name](8, 3)
    torch.testing.assert_close(fuse([a, b, c]), fuse([c, a, b]))


def test_a_global_gate_opens_by_the_maximum_of_its_first_input() -> None:
    a, b = maps(2)
    expected = a + b * torch.sigmoid(a.flatten(2).max(2).values)[..., None, None]
    torch.testing.assert_close(FUSIONS["global_gate"](8, 2)([a, b]), expected)
