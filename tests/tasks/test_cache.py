"""What is kept in memory is chosen by size, said, and true."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.errors import SpecError
from nas.models.backbone import Backbone
from nas.necks.architecture import BackboneSpec, Frame
from nas.tasks import cache
from tests.tasks.tiny import prepared, spec

FRAME = Frame(channels={3: 64, 4: 128, 5: 256}, image_size=64)
FEATURES = 2 * (64 * 8**2 + 128 * 4**2 + 256 * 2**2) * (2 * 32 + 16)
IMAGES = 3 * 64**2 * (32 + 16)
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("allowed", "tune", "chosen"),
    [
        (4e9, "frozen", "features"),
        (FEATURES, "frozen", "features"),
        (FEATURES - 1, "frozen", "images"),
        (IMAGES - 1, "frozen", "none"),
        (4e9, "partial", "images"),
        (4e9, "full", "images"),
    ],
)
def test_auto_takes_the_first_that_fits_and_says_so(allowed: float, tune: str, chosen: str) -> None:
    found, note = cache.choose(spec(cache_bytes=allowed, backbone={"tune": tune}), FRAME, 32, 16)
    assert found == chosen
    assert note.startswith(f"cache: {chosen} (auto; ")
    assert ("features" in note) == (tune == "frozen")
    assert f"allowed {allowed / 1e6:,.0f} MB)" in note
    assert note.endswith("or take fewer task.views") == (tune == "frozen" and chosen != "features")


def test_what_is_asked_for_is_taken_or_refused() -> None:
    assert cache.choose(spec(cache="images"), FRAME, 32, 16) == ("images", "cache: images, 1 MB")
    chosen, note = cache.choose(spec(cache="none", cache_bytes=1), FRAME, 32, 16)
    assert chosen == "none"
    assert note.endswith("every worker reads the images by their paths, on other machines too")
    said = r"^task\.cache: features take 1 MB, and cache_bytes allows 1 MB: raise it or use auto$"
    with pytest.raises(SpecError, match=said):
        cache.choose(spec(cache="features", cache_bytes=1e6), FRAME, 32, 16)
    said = r"^task\.cache: features can be cached of a frozen backbone alone, and tune is full: use images$"
    with pytest.raises(SpecError, match=said):
        cache.choose(spec(cache="features", backbone={"tune": "full"}), FRAME, 32, 16)


def test_the_size_told_is_the_size_taken() -> None:
    task = prepared(cache="features")
    maps = [x for part in (task.train_maps, task.val_maps) for x in part.values()]
    assert sum(x.nbytes for x in maps) == FEATURES  # the images themselves are let go
    assert task.dataset.train.images is None
    assert task.dataset.val.images is None
    held = prepared(cache="images").dataset
    assert held.train.images.nbytes + held.val.images.nbytes == IMAGES


def test_cached_maps_are_the_backbones_to_half_precision() -> None:
    backbone = Backbone(BackboneSpec(levels=(3, 4))).eval()
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)  # more than a batch
    features = cache.empty_maps(Frame(channels=backbone.channels, image_size=32), 43)
    cache.extract(backbone, images, CPU, features, 3)
    features = {name: x[3:] for name, x in features.items()}
    assert {k: (x.shape, x.dtype) for k, x in features.items()} == {
        "p3": ((40, 4, 4, 64), np.float16),
        "p4": ((40, 2, 2, 128), np.float16),
    }
    index = np.array([39, 0, 7])
    with torch.no_grad():
        fresh = backbone(torch.from_numpy(images[index]).permute(0, 3, 1, 2) / 255)
    for name, x in cache.take(features, ["p3", "p4"], index, CPU).items():
        torch.testing.assert_close(x, fresh[name], rtol=1e-3, atol=1e-4)


def test_a_batch_is_a_copy_of_what_may_be_read_only() -> None:
    maps = {"p3": np.ones((4, 2, 2, 8), np.float16)}
    maps["p3"].flags.writeable = False
    batch = cache.take(maps, ["p3"], np.array([1, 2]), CPU)["p3"]
    batch.zero_()
    assert maps["p3"].all()
    assert batch.is_contiguous(memory_format=torch.channels_last)
