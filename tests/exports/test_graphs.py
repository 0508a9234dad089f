from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import nms

from nas.errors import NASError, UserError
from nas.exports.graphs import Deployed, check_close, onnx, onnx_nms, pt2
from nas.models import build_with_head
from nas.models.repvgg import RepConv
from nas.necks.architecture import HeadSpec
from nas.necks.spec import ConvSpec, NeckSpec
from nas.necks.topologies import TOPOLOGIES, pyramid
from nas.studies.catalog import read_space
from tests.exports.code.necks import TOGETHER, using
from tests.exports.studies import CLASSES, SIZE, WINNER, around, measured

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed(measured(WINNER))


def test_onnxruntime_gives_the_same_for_any_batch(deployed: Deployed) -> None:
    session = onnxruntime.InferenceSession(onnx(deployed), providers=["CPUExecutionProvider"])
    assert [(x.name, x.shape[1:]) for x in session.get_inputs()] == [("images", [3, SIZE, SIZE])]
    assert [x.name for x in session.get_outputs()] == ["boxes", "scores"]
    for batch in (1, 4):
        images = deployed.example(batch)
        for found, expected in zip(
            session.run(None, {"images": images.numpy()}), deployed.expected(images), strict=True
        ):
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_post_processing_keeps_the_boxes_that_torchvision_keeps(deployed: Deployed) -> None:
    session = onnxruntime.InferenceSession(onnx_nms(deployed), providers=["CPUExecutionProvider"])
    images = deployed.example(2)
    boxes, scores, selected = map(torch.from_numpy, session.run(None, {"images": images.numpy()}))
    kept = 0
    for image in range(2):
        for label in range(scores.shape[-1]):
            own = selected[(selected[:, 0] == image) & (selected[:, 1] == label), 2]
            above = (scores[image, :, label] > 0.05).nonzero().squeeze(1)
            expected = above[nms(boxes[image, above], scores[image, above, label], 0.6)[:100]]
            assert own.tolist() == expected.tolist()
            kept += len(own)
    assert kept > 0


def test_a_difference_is_an_error(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "expected", lambda images: tuple(x + 1 for x in deployed(images)))
    with pytest.raises(NASError, match=r"model.onnx was not written: its boxes differ from torch's by 3\.0e-01"):
        onnx(deployed)


def test_a_corner_near_the_border_is_compared_in_parts_of_its_box() -> None:
    """It is a small difference of large numbers: torch and float64 differ by as much as this."""
    expected = torch.tensor([[[1.6623, 12.0, 12.0, 17.1494]]])
    near, far = (expected + torch.tensor([by, 0, 0, 0]) for by in (2.9e-4, 2e-3))
    check_close("model.onnx", "boxes", near, expected)
    with pytest.raises(NASError, match="its boxes differ"):
        check_close("model.onnx", "boxes", far, expected)
    with pytest.raises(NASError, match="its logits differ"):
        check_close("model.onnx", "logits", near, expected)


def test_boxes_are_needed_to_suppress_some() -> None:
    class Logits(nn.Module):
        names = ("logits",)

    with pytest.raises(UserError, match="use the format onnx"):
        onnx_nms(Logits())  # type: ignore[arg-type]


def exportable(neck: NeckSpec) -> None:
    """`onnx` compares with torch by itself. The head is as small as can be: others test it."""
    given = around(neck)
    head = given.head.model_copy(update={"convs": 0, "classes": ("cat",)})
    assert onnx(Deployed(measured(given.model_copy(update={"head": head}))))


SPACE = read_space("deploy").parameters


@pytest.mark.parametrize(("turn", "topology"), list(enumerate(SPACE["topology"])))
def test_all_that_the_space_deploy_allows(turn: int, topology: str) -> None:
    """Each topology, and in turn each fusion, resampling and convolution; the other parameters are sizes."""
    words = {name: SPACE[name][turn % 2] for name in ("fusion", "upsample", "downsample", "conv")}
    assert [name for name in words if len(SPACE[name]) > 2] == []
    exportable(pyramid((2, 3), (2, 3, 4), dict.fromkeys(range(2, 5), 16), topology, norm="batch", act="relu", **words))


@pytest.mark.parametrize("words", TOGETHER, ids=str)
def test_every_word_of_the_vocabulary(words: dict[str, Any]) -> None:
    """So no study that asks for ONNX has to be refused; a word that cannot be exported would have to be."""
    exportable(using(**words, project=ConvSpec(kernel=1)))


@pytest.mark.parametrize("name", ["rtdetr", "dfine", "yolo11", "gold"])
def test_necks_with_self_attention_or_repvgg_blocks(name: str) -> None:
    model = Deployed(measured(around(TOPOLOGIES[name]((3, 4), 16))))
    assert not any(isinstance(module, RepConv) for module in model.modules())
    assert onnx(model)


def test_a_retinanet_is_deployed_alike(deployed: Deployed) -> None:
    given = deployed.model.architecture
    head = given.head.model_copy(update={"kind": "retinanet"})
    other = Deployed(build_with_head(given.model_copy(update={"head": head})))
    assert other.names == ("boxes", "scores")
    assert onnx_nms(other)  # compared with torch's numbers before it is given out


def test_the_program_gives_the_same_for_any_batch(deployed: Deployed) -> None:
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


def test_a_different_program_is_an_error(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "expected", lambda images: tuple(x + 1 for x in deployed(images)))
    with pytest.raises(NASError, match=r"model.pt2 was not written"):
        pt2(deployed)
