"""Where a task's backbone gets its weights, and tensors as bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from nas.errors import SpecError, UserError
from nas.models.backbone import Backbone
from nas.studies.spec import BackboneTask
from nas.tasks import weights
from tests.tasks.tiny import spec

TINY = "test_efficientnet"
VIT = "test_vit"


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    torch.manual_seed(5)
    path = tmp_path / "tiny.safetensors"
    save_file(timm.create_model(TINY).state_dict(), path)
    return str(path)


def equal(one: Backbone, two: Backbone) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_bytes_and_back() -> None:
    state = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.tensor(3), "c": torch.rand(1, 2, 3, 3)}
    state["c"] = state["c"].to(memory_format=torch.channels_last)
    found = weights.unpacked(weights.packed(state))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], x) for name, x in state.items())


def test_arrays_and_back_leave_the_arrays_alone() -> None:
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    weights.tensors({"w": array})["w"].zero_()
    assert array.all()


def test_the_digest_is_of_names_and_values() -> None:
    one = {"a": np.ones(3), "b": np.zeros(2)}
    assert weights.digest(one) == weights.digest(dict(reversed(one.items())))
    others = [{"a": np.ones(3)}, {"a": np.zeros(3), "b": np.ones(2)}, {"b": np.ones(3), "a": np.zeros(2)}]
    assert len({weights.digest(x) for x in [one, *others]}) == 4


def test_all_levels_from_stride_four_unless_listed() -> None:
    assert weights.backbone_spec(spec(backbone={"name": TINY, "levels": None})).levels == (2, 3, 4, 5)
    assert weights.backbone_spec(spec(backbone={"levels": [2, 3]})).levels == (2, 3)
    assert weights.backbone_spec(spec(backbone={"levels": [2]})).mean is None
    assert weights.backbone_spec(spec(backbone={"name": TINY})).mean is not None


def test_a_checkpoint_goes_before_pretrained_and_kept_before_both(checkpoint: str) -> None:
    told = spec(backbone={"name": TINY, "checkpoint": checkpoint, "pretrained": True})
    given, known = weights.load_backbone(told, None)
    assert known
    assert not given.training
    other = Backbone(weights.backbone_spec(told))
    kept = weights.packed({f"backbone.{k}": v for k, v in other.state_dict().items()})
    assert equal(weights.load_backbone(told, kept)[0], other)
    assert not equal(given, other)


def test_without_weights_it_starts_from_the_same_numbers_always() -> None:
    told = spec(backbone={"name": TINY, "pretrained": False})
    torch.manual_seed(1)
    one, known = weights.load_backbone(told, None)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two, _ = weights.load_backbone(told, None)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not known
    assert equal(one, two)
    assert not weights.load_backbone(spec(backbone={"name": "plain", "pretrained": True}), None)[1]


def test_what_does_not_fit_names_the_key(checkpoint: str, tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"^task\.backbone\.checkpoint: .*tiny\.safetensors does not fit backbone 'test_r"
    ):
        weights.load_backbone(spec(backbone={"name": "test_resnet", "checkpoint": checkpoint}), None)
    broken = tmp_path / "broken.safetensors"
    broken.write_text("no tensors")
    with pytest.raises(
        SpecError, match=r"^task\.backbone\.checkpoint: .*broken\.safetensors is not a safetensors file"
    ):
        weights.load_backbone(spec(backbone={"checkpoint": str(broken)}), None)


def test_kept_weights_of_another_backbone_are_refused() -> None:
    other = weights.packed(Backbone(weights.backbone_spec(spec(backbone={"name": TINY}))).state_dict())
    with pytest.raises(UserError, match=r"^the study's backbone does not fit backbone 'plain'"):
        weights.load_backbone(spec(), other)


def test_pretrained_lite0_needs_no_download() -> None:
    backbone, known = weights.load_backbone(spec(backbone={"name": "tf_efficientnet_lite0"}), None)
    assert known
    assert backbone.channels == {3: 40, 4: 112, 5: 320}


def test_weights_that_cannot_be_fetched_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: object) -> object:
        if pretrained:
            raise OSError("Name or service not known\nand a long story")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        UserError, match=r"could not be fetched \(Name or service not known\); give task\.backbone\.check"
    ):
        weights.load_backbone(spec(backbone={"name": TINY}), None)


def test_faults_are_seen_before_anything_is_loaded(tmp_path: Path) -> None:
    def faults(**backbone: object) -> list[str]:
        return [str(fault) for fault in weights.check_backbone(spec(backbone=backbone))]

    assert faults() == []
    assert faults(checkpoint=str(tmp_path / "absent")) == [f"task.backbone.checkpoint: no file {tmp_path / 'absent'}"]
    assert faults(levels=[5, 6, 7]) == ["task.backbone.levels: plain has no level 6; it has 1, 2, 3, 4, 5"]
    both = faults(name="convmixer_768_32", checkpoint=str(tmp_path / "absent"))
    assert [fault.split(":")[0] for fault in both] == ["task.backbone.checkpoint", "task.backbone.name"]


def test_a_plain_backbone_has_blocks_and_makes_levels() -> None:
    def faults(**backbone: object) -> list[str]:
        return [str(fault) for fault in weights.check_backbone(spec(backbone={"levels": None} | backbone))]

    assert faults(name=VIT) == faults(name=VIT, blocks=[-1]) == faults(name=VIT, blocks=[1, -1], levels=[3, 4]) == []
    assert faults(name=TINY, blocks=[-1]) == [
        f"task.backbone.blocks: {TINY} gives a pyramid of maps, one a level: leave the key out"
    ]
    assert faults(name=VIT, blocks=[-7, 2]) == [
        "task.backbone.blocks: test_vit has the blocks 0 to 5, or -6 to -1 from the end, and no block -7"
    ]
    assert faults(name=VIT, blocks=[5, -1]) == ["task.backbone.blocks: [5, -1] names a block twice"]
    assert faults(name=VIT, levels=[0, 1, 2]) == [
        "task.backbone.levels: P0 is too far from the backbone's one level P4: levels 1 to 6 can be made of it"
    ]


def test_the_frame_of_a_plain_backbone_says_what_can_be_made_of_it() -> None:
    task = spec(image_size=96, backbone={"name": VIT, "levels": None, "blocks": [5, 2, -3], "pretrained": False})
    backbone, has_weights = weights.load_backbone(task, None)
    assert not has_weights
    assert backbone.spec.blocks == (-4, -3, -1)
    frame = weights.frame(task, backbone)
    assert frame.channels == {4: 64}
    assert frame.scales == (2, 3, 4, 5)
    assert [source.name for source in frame.maps] == list(backbone(torch.zeros(1, 3, 96, 96)))
    assert weights.frame(task.model_copy(update={"backbone": BackboneTask(name="plain")}), backbone).scales is None


def test_a_model_of_a_fixed_image_size_is_made_for_the_tasks() -> None:
    swin = {"name": "swin_tiny_patch4_window7_224", "levels": None}
    made = weights.backbone_spec(spec(image_size=160, backbone=swin))
    assert (made.image_size, made.levels) == (160, (2, 3, 4, 5))
    assert weights.backbone_spec(spec(image_size=224, backbone=swin)).image_size is None
    assert weights.backbone_spec(spec(backbone={"name": TINY})).image_size is None


@pytest.mark.parametrize("levels", [[3, 5], [4, 3], [3, 3], []], ids=str)
def test_levels_are_consecutive(levels: list[int]) -> None:
    with pytest.raises(SpecError, match="list consecutive levels, fine to coarse") as error:
        spec(backbone={"levels": levels})
    assert [fault.path for fault in error.value.faults] == ["backbone.levels"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("inception_v4", "gives P2 as 160, 38, 38 for images of 160 pixels, where a pyramid needs 160, 40, 40"),
        ("efficientformer_l1", "does not take images of 160 pixels"),
    ],
)
def test_a_backbone_whose_maps_are_no_pyramid_is_refused_unloaded(name: str, said: str) -> None:
    (fault,) = weights.check_backbone(spec(image_size=160, backbone={"name": name, "levels": None}))
    assert fault.path == "task.backbone.name"
    assert said in fault.message


def test_a_stage_is_not_tuned_on_top_of_random_ones(checkpoint: str) -> None:
    def faults(**backbone: object) -> list[str]:
        return [fault.path for fault in weights.check_backbone(spec(backbone={"name": TINY} | backbone))]

    assert faults(tune="partial", pretrained=False) == ["task.backbone.tune"]
    assert faults(tune="partial", name="plain") == ["task.backbone.tune"]
    assert faults(tune="partial") == []
    assert faults(tune="partial", pretrained=False, checkpoint=checkpoint) == []
    assert faults(tune="full", pretrained=False) == []
