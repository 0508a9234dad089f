from __future__ import annotations

import pytest
import torch

from nas.errors import NASError
from nas.exports.graphs import Deployed, check_close
from tests.exports.studies import SIZE, WINNER, measured


def test_boxes_and_scores_at_all_points_are_those_the_detector_chooses_from() -> None:
    model = measured(WINNER)
    deployed = Deployed(model)
    images = deployed.example(2)
    boxes, scores = deployed.expected(images)
    points = sum(h * w for h, w in model.sizes())
    assert (boxes.shape, scores.shape) == ((2, points, 4), (2, points, len(model.classes)))
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE
    with torch.no_grad():
        for found, own, certain in zip(model(images), boxes, scores, strict=True):
            assert len(found["boxes"])
            near = (found["boxes"][:, None] - own).abs().amax(-1).amin(1)
            assert near.max() < 1e-3
            assert found["scores"].max() == pytest.approx(certain.max().item(), rel=1e-5)


def test_the_measured_model_is_left_as_it_is() -> None:
    model = measured(WINNER)
    Deployed(model)
    assert all(p.requires_grad for p in model.neck.parameters())


@pytest.mark.parametrize("other", [torch.tensor([1.0, 2e3 + 1]), torch.tensor([1.0, float("nan")]), torch.ones(3)])
def test_what_differs_is_refused(other: torch.Tensor) -> None:
    expected = torch.tensor([1.0, 2e3])
    check_close("it", "y", expected + torch.tensor([5e-5, 0.1]), expected)
    with pytest.raises(NASError, match="it was not written: its y differ from torch's by"):
        check_close("it", "y", other, expected)
