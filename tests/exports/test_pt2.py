from __future__ import annotations

from io import BytesIO

import pytest
import torch

from nas.errors import NASError
from nas.exports.deployed import Deployed
from nas.exports.pt2 import pt2
from nas.models import build_with_head
from nas.necks.architecture import HeadSpec
from tests.exports.studies import CLASSES, SIZE, WINNER, measured

pytestmark = pytest.mark.slow


def test_the_program_gives_the_same_for_any_batch() -> None:
    deployed = Deployed(measured(WINNER))
    program = torch.export.load(BytesIO(pt2(deployed))).module()
    for batch in (1, 5):
        images = deployed.example(batch)
        for found, expected in zip(program(images), deployed.expected(images), strict=True):
            torch.testing.assert_close(found, expected)


def test_a_segmenter_gives_logits() -> None:
    head = HeadSpec(kind="panoptic_fpn", classes=CLASSES)
    deployed = Deployed(build_with_head(WINNER.model_copy(update={"head": head})))
    assert deployed.names == ("logits",)
    [found] = torch.export.load(BytesIO(pt2(deployed))).module()(deployed.example(1))
    assert found.shape == (1, 1 + len(CLASSES), SIZE, SIZE)


def test_a_difference_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = Deployed(measured(WINNER))
    monkeypatch.setattr(deployed, "expected", lambda images: tuple(x + 1 for x in deployed(images)))
    with pytest.raises(NASError, match=r"model.pt2 was not written"):
        pt2(deployed)
