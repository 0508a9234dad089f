"""The private helpers of torchvision that the heads rest on: each test names the one that changed."""

from __future__ import annotations

import torch

from nas.models.torchvision_adapter import BalancedPositiveNegativeSampler, BoxCoder, Matcher


def test_the_matcher_gives_the_best_object_or_why_there_is_none() -> None:
    overlaps = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.3, 0.55]])  # [objects, anchors]
    matcher = Matcher(0.6, 0.4, allow_low_quality_matches=False)
    assert matcher(overlaps).tolist() == [0, Matcher.BELOW_LOW_THRESHOLD, Matcher.BETWEEN_THRESHOLDS]
    assert Matcher(0.6, 0.4, allow_low_quality_matches=True)(overlaps).tolist() == [0, -1, 1]


def test_the_box_coder_decodes_what_it_encodes() -> None:
    anchors = torch.tensor([[0.0, 0.0, 10.0, 20.0], [5.0, 5.0, 9.0, 9.0]])
    boxes = torch.tensor([[1.0, 2.0, 8.0, 18.0], [4.0, 6.0, 10.0, 9.0]])
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(coder.decode_single(coder.encode_single(boxes, anchors), anchors), boxes)


def test_the_sampler_balances_positives_and_negatives() -> None:
    labels = torch.tensor([1] * 30 + [0] * 30 + [-1] * 4)
    [positive], [negative] = BalancedPositiveNegativeSampler(16, 0.25)([labels])
    assert (int(positive.sum()), int(negative.sum())) == (4, 12)
    assert not (positive | negative)[60:].any()
