"""timm's models of one stride: blocks, patches, and embeddings that fit the image size."""

from __future__ import annotations

import pytest
import timm
import torch

from nas.errors import UserError
from nas.models.backbone import Backbone, channels, channels_of, check_maps, fitted, plain_blocks, plain_level
from nas.models.pretrained import load_state
from nas.models.timm_models import timm_model
from nas.necks.architecture import BackboneSpec
from nas.text import heard_by

VIT = "vit_tiny_patch16_224"
SIZE = 96


def spec(name: str = VIT, size: int = SIZE, **changes: object) -> BackboneSpec:
    level = plain_level(name)
    assert level is not None
    return fitted(BackboneSpec.parse({"name": name, "levels": [level]} | changes), size)


def test_a_vit_has_one_level_and_its_blocks() -> None:
    assert channels_of(VIT) == {4: 192}
    assert (plain_level(VIT), plain_blocks(VIT)) == (4, 12)
    assert plain_level("test_resnet") is None
    assert plain_level("plain") is None


def test_maps_are_those_of_the_blocks() -> None:
    body = Backbone(spec(blocks=(-4, -1))).eval()
    images = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        maps = body(images)
        theirs = timm.create_model(VIT, img_size=SIZE).eval()
        theirs.load_state_dict({k.removeprefix("body.model."): x for k, x in body.state_dict().items()}, strict=False)
        _, (early, late) = theirs.forward_intermediates(images, indices=[8, 11], norm=False)
    assert list(maps) == ["p4_back3", "p4"]
    torch.testing.assert_close(maps["p4_back3"], early)
    torch.testing.assert_close(maps["p4"], late)


def test_blocks_after_the_last_map_are_not_built() -> None:
    early = {name.split(".")[3] for name in Backbone(spec(blocks=(-10,))).state_dict() if ".blocks." in name}
    assert early == {"0", "1", "2"}


def test_partial_tuning_trains_the_last_block() -> None:
    for blocks, last in (((-4, -1), "11"), ((-4,), "8")):
        names = Backbone(spec(blocks=blocks)).coarsest_stage()
        assert {".".join(name.split(".")[2:4]) for name in names} == {f"blocks.{last}"}


def test_a_model_is_made_for_the_image_size_where_it_must_be() -> None:
    assert spec().image_size == SIZE
    assert spec(size=224).image_size is None
    assert spec("vit_small_patch16_dinov3").image_size is None  # rotary embeddings fit any size
    check_maps(spec(), SIZE)
    with pytest.raises(UserError, match=r"does not take images of 96 pixels \(Input height \(96\) doesn't match model"):
        check_maps(BackboneSpec(name=VIT, levels=(4,)), SIZE)


def test_patches_of_fourteen_pixels_are_made_patches_of_sixteen() -> None:
    dino = spec("vit_small_patch14_dinov2")
    assert (dino.patch_size, dino.image_size) == (16, SIZE)
    check_maps(dino, SIZE)
    assert timm_model("vit_tiny_patch16_224").patch_size is None


def test_embeddings_of_other_sizes_are_resampled_and_it_is_said() -> None:
    theirs = timm.create_model("eva02_tiny_patch14_224")
    ours = Backbone(spec("eva02_tiny_patch14_224"))
    said: list[str] = []
    with heard_by(said.append):
        load_state(ours, theirs.state_dict(), "the file")
    (line,) = said
    assert line == (
        "backbone: pos_embed, patch_embed.proj.weight resampled from the sizes of the weights (1x257x192) "
        "to the study's (1x37x192)"
    )
    body = ours.state_dict()
    torch.testing.assert_close(body["body.model.blocks.0.mlp.fc2.weight"], theirs.blocks[0].mlp.fc2.weight)
    kernel = torch.nn.functional.interpolate(
        theirs.patch_embed.proj.weight, size=(16, 16), mode="bicubic", antialias=True, align_corners=False
    )
    close = torch.nn.functional.cosine_similarity(
        body["body.model.patch_embed.proj.weight"].flatten(), kernel.flatten(), 0
    )
    assert close > 0.9
    said.clear()
    with heard_by(said.append):
        load_state(Backbone(spec("eva02_tiny_patch14_224")), body, "the study's backbone")
    assert said == []


def test_weights_of_another_model_are_still_refused() -> None:
    with pytest.raises(UserError, match=r"does not fit backbone 'vit_tiny_patch16_224': it has"):
        load_state(Backbone(spec()), timm.create_model("vit_small_patch16_224").state_dict(), "the file")


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (VIT, {"blocks": [-13]}, r"backbone 'vit_tiny_patch16_224' has the blocks -12 to -1 from the end, and no"),
        ("volo_d1_224", {"blocks": [-4]}, r"has the blocks -3 to -1 from the end, and no block -4"),
        ("test_resnet", {"blocks": [-1, -2][::-1], "levels": [4]}, r"gives a pyramid of maps, one a level: leave out"),
        (VIT, {"levels": [3]}, r"backbone 'vit_tiny_patch16_224' has no level P3; it has P4"),
    ],
)
def test_what_a_model_lacks_is_a_sentence(name: str, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Backbone(BackboneSpec.parse({"name": name, "levels": [4]} | changes))


def test_channels_are_by_level() -> None:
    assert channels(spec(blocks=(-4, -1))) == {4: 192}
