from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.errors import UserError
from nas.exports import predict
from nas.tasks.cache import to_tensor
from nas.tasks.data.letterbox import decode
from tests.exports.studies import CLASSES, SIZE, WINNER, measured
from tests.tasks.data.test_picture import stored


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """150 x 90 pixels, two fifths larger than what the detector takes."""
    pixels = np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_predictions_are_those_that_are_measured(exported: Path, photo: Path) -> None:
    [found] = predict(exported, [photo], threshold=0.05)
    assert (found["image"], found["width"], found["height"]) == (str(photo), 150, 90)
    model = measured(WINNER)
    image = decode(photo.read_bytes(), SIZE)
    with torch.inference_mode():
        [expected] = model.detect(model.raw(to_tensor(image.pixels[None], torch.device("cpu"))))
    assert len(found["boxes"]) == len(expected.boxes) > 0
    boxes = expected.boxes.numpy() / image.scale
    assert np.allclose([b["box"] for b in found["boxes"]], np.minimum(boxes, [150, 90, 150, 90]), atol=1e-3)
    assert np.allclose([b["score"] for b in found["boxes"]], expected.scores.numpy(), atol=1e-6)
    assert [b["class"] for b in found["boxes"]] == [CLASSES[i] for i in expected.labels]


def test_the_threshold_is_the_exports_unless_given(exported: Path, photo: Path) -> None:
    scores = [b["score"] for b in predict(exported, [photo], threshold=0.0)[0]["boxes"]]
    between = sorted(scores)[len(scores) // 2] - 1e-4
    config = exported / "config.yaml"
    config.write_text(config.read_text().replace("score_threshold: 0.5", f"score_threshold: {between}"))
    kept = [b["score"] for b in predict(exported, [photo])[0]["boxes"]]
    assert kept == [score for score in scores if score > between]
    assert 0 < len(kept) < len(scores)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_out_of_range_is_refused(exported: Path, photo: Path, threshold: float) -> None:
    with pytest.raises(UserError, match="at least 0 and below 1"):
        predict(exported, [photo], threshold=threshold)


def test_all_faulty_images_are_reported_and_nothing_is_written(exported: Path, photo: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("not pixels")
    with pytest.raises(UserError) as caught:
        predict(exported, [photo, tmp_path / "missing.jpg", text, tmp_path], draw=tmp_path / "drawn")
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 images:"
    assert lines[1] == f"  {tmp_path / 'missing.jpg'}: No such file or directory"
    assert "text.png: not a readable image" in lines[2]
    assert "Is a directory" in lines[3]
    assert not (tmp_path / "drawn").exists()


def test_pictures_are_drawn_at_the_images_own_size(exported: Path, photo: Path, tmp_path: Path) -> None:
    predict(exported, [photo], threshold=0.05, draw=tmp_path / "new/drawn")
    drawn = np.asarray(Image.open(tmp_path / "new/drawn/photo-boxes.png"))
    assert drawn.shape == (90, 150, 3)
    assert (drawn != np.asarray(Image.open(photo))).any()


def test_a_photo_on_its_side_is_answered_and_drawn_upright(exported: Path, tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8))
    picture.save(tmp_path / "upright.png")
    (tmp_path / "lying.png").write_bytes(stored(6, image=picture))
    names = ("upright", "lying")
    upright, lying = predict(exported, [tmp_path / f"{name}.png" for name in names], 0.05, tmp_path / "drawn")
    assert (lying["width"], lying["height"]) == (150, 90)
    assert lying["boxes"] == upright["boxes"]
    assert lying["boxes"]
    drawn = [np.asarray(Image.open(tmp_path / f"drawn/{name}-boxes.png")) for name in names]
    assert np.array_equal(*drawn)


def test_an_image_of_too_many_pixels_is_refused(exported: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.tasks.data.picture.MAX_PIXELS", 5000)
    with pytest.raises(UserError, match=r"photo\.jpg: 150 x 90 are .* million are read: make it smaller"):
        predict(exported, [photo])


def test_no_picture_takes_the_place_of_another_or_of_an_image(exported: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other/photo.png"
    Image.open(photo).save(twin)
    given = tmp_path / "photo-boxes.png"
    Image.open(photo).save(given)
    before = given.read_bytes()
    predict(exported, [photo, twin, given], draw=tmp_path)
    assert given.read_bytes() == before
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"photo-boxes.png", "photo-boxes-2.png", "photo-boxes-3.png", "photo-boxes-boxes.png"}


def test_a_file_in_place_of_the_pictures_is_refused(exported: Path, photo: Path) -> None:
    with pytest.raises(UserError, match="is a file: give a folder for the pictures"):
        predict(exported, [photo], draw=photo)
