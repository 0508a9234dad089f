"""Weights of backbones: from packages and files, and sentences for what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from nas.errors import UserError
from nas.models.backbone import Backbone
from nas.models.pretrained import checkpoint_state, load_state, normalisation, pretrained_state
from nas.necks.architecture import BackboneSpec

TINY = "test_efficientnet"


def tiny(*levels: int, **options: object) -> Backbone:
    return Backbone(BackboneSpec(name=TINY, levels=levels, **options)).eval()


def test_normalisation_is_that_of_the_weights() -> None:
    assert normalisation("tf_efficientnet_lite0") == ((0.5,) * 3, (0.5,) * 3)
    assert normalisation("resnet18") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_a_checkpoint_of_the_whole_classifier_fits_its_features(tmp_path: Path) -> None:
    torch.manual_seed(1)
    classifier = timm.create_model(TINY).eval()
    save_file(classifier.state_dict(), tmp_path / "weights.safetensors")
    backbone = tiny(2, 3, 4, 5)
    load_state(backbone, checkpoint_state(str(tmp_path / "weights.safetensors")), "weights")
    image = torch.rand(1, 3, 64, 64)
    _, expected = classifier.forward_intermediates(image)
    for x, y in zip(backbone(image).values(), expected[1:], strict=True):
        torch.testing.assert_close(x, y)


def test_a_backbones_own_weights_come_back_even_into_fewer_levels() -> None:
    whole = tiny(2, 3, 4, 5)
    part = tiny(3)
    load_state(part, whole.state_dict(), "the study's backbone")
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(part(image)["p3"], whole(image)["p3"])


def test_weights_that_do_not_fit_are_a_sentence(tmp_path: Path) -> None:
    backbone = tiny(3)
    state = timm.create_model(TINY).state_dict()
    other = timm.create_model("test_resnet").state_dict()
    with pytest.raises(UserError, match=r"^weights does not fit backbone 'test_efficientnet': it lacks \d+ tensors, c"):
        load_state(backbone, other, "weights")
    wide = state | {"conv_stem.weight": torch.zeros(99, 3, 3, 3)}
    said = r"it has conv_stem\.weight \(99, 3, 3, 3\) instead of \(\d+, 3, 3, 3\)$"
    with pytest.raises(UserError, match=said):
        load_state(backbone, wide, "weights")
    with pytest.raises(UserError, match=r"^weights does not fit .* it lacks 1 tensors, bn1\.running_mean first$"):
        load_state(backbone, {k: v for k, v in state.items() if k != "bn1.running_mean"}, "weights")


def test_a_file_that_holds_no_weights_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^there is no file .*absent"):
        checkpoint_state(str(tmp_path / "absent.safetensors"))
    pickled = tmp_path / "pickled.safetensors"
    torch.save({"w": torch.zeros(1)}, pickled)
    with pytest.raises(UserError, match=r"pickled\.safetensors is not a safetensors file"):
        checkpoint_state(str(pickled))
    pickled.write_bytes(b"")
    with pytest.raises(UserError, match="is not a safetensors file"):
        checkpoint_state(str(pickled))


def test_the_packages_weights_are_timms(lite0_weights: Path) -> None:
    given, installed = load_file(lite0_weights), pretrained_state("tf_efficientnet_lite0")
    counters = {name for name in installed if name.endswith("num_batches_tracked")}
    assert given.keys() - counters == installed.keys() - counters
    assert all(torch.equal(given[name], installed[name]) for name in given.keys() - counters)
    backbone = Backbone(BackboneSpec(name="tf_efficientnet_lite0", levels=(2, 3, 4, 5)))
    load_state(backbone, given, "weights")
