"""FiftyOne's fields, masks and tags."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, load
from tests.tasks.data.builders import EXPECTED, read
from tests.tasks.data.formats.writers import FOUR, detections, fiftyone, fiftyone_labels, outlines

BOX = {"label": "cat", "bounding_box": [0.25, 0.25, 0.5, 0.5]}


def changed(root: Path, **fields: Any) -> Dataset:
    """The four images, the first with other `fields`."""
    fiftyone(root)
    path = root / "samples.json"
    content = json.loads(path.read_text())
    content["samples"][0] |= fields
    path.write_text(json.dumps(content))
    return load(DataSpec(kind="fiftyone", root=str(root)), 64)


def first(data: Dataset) -> list[list[float]]:
    split = data.train if "a.png" in data.train.names else data.val
    return split.targets(split.names.index("a.png"))[0].round(2).tolist()


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_mask_fills_its_box(tmp_path: Path, wrapped: bool) -> None:
    file = io.BytesIO()
    np.save(file, np.array([[True, False], [True, True]]))
    text = base64.b64encode(zlib.compress(file.getvalue())).decode()
    mask = {"$binary": {"base64": text, "subType": "00"}} if wrapped else text
    data = changed(tmp_path, ground_truth=detections([BOX | {"mask": mask}]))
    assert first(data) == [[16, 12, 48, 36]]
    (painted,) = outlines("fiftyone", tmp_path)
    assert painted[12:36, 16:48].sum() == 12 * 16 * 3
    assert not painted[12:24, 32:48].any()


def test_crowds_and_polylines(tmp_path: Path) -> None:
    shape = {"_cls": "Polyline", "label": "cat", "points": [[[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]]]}
    lines = {"_cls": "Polylines", "polylines": [shape | {"closed": True}, shape | {"closed": False, "filled": False}]}
    data = changed(tmp_path, ground_truth=lines)
    assert first(data) == [[16, 12, 48, 36]]
    assert data.faults.counts == {"line, which has no box": 1}
    crowd = changed(tmp_path, ground_truth=detections([BOX | {"iscrowd": True}, BOX]))
    split = crowd.train if "a.png" in crowd.train.names else crowd.val
    assert split.targets(split.names.index("a.png"))[2].tolist() == [True, False]


def test_tags_and_folders_are_parts(tmp_path: Path) -> None:
    fiftyone(tmp_path / "tags")
    path = tmp_path / "tags/samples.json"
    content = json.loads(path.read_text())
    for k, sample in enumerate(content["samples"]):
        sample["tags"] = ["night", "validation" if k == 3 else "train"]
    path.write_text(json.dumps(content))
    data = load(DataSpec(kind="fiftyone", root=str(tmp_path / "tags")), 64)
    assert data.val.names == ("d.png",)
    for part, name in (("train", "a"), ("val", "c")):
        fiftyone_labels(tmp_path / "folders" / part, {name: FOUR[name]})
    data = load(DataSpec(kind="fiftyone", root=str(tmp_path / "folders")), 64)
    assert (data.train.names, data.val.names) == (("a.png",), ("c.png",))


def test_of_several_fields_the_truth_is_read(tmp_path: Path) -> None:
    data = changed(tmp_path, predictions=detections([BOX]))
    assert read(data) == EXPECTED
    path = tmp_path / "samples.json"
    path.write_text(path.read_text().replace("ground_truth", "boxes"))
    with pytest.raises(
        UserError, match="several fields have objects: boxes, predictions; export one, or call it ground"
    ):
        load(DataSpec(kind="fiftyone", root=str(tmp_path)), 64)


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"bounding_box": [0, 0, 1, 1]}, "unreadable object"),
        ({"label": "cat", "bounding_box": [0, 0, 1]}, "unreadable object"),
        ({"label": None, "bounding_box": [0, 0, 1, 1]}, "object without a class"),
        ({"_cls": "Keypoint", "label": "cat", "points": [[0, 0]]}, "keypoints, which have no box"),
    ],
)
def test_what_has_no_box_is_a_fault(tmp_path: Path, item: dict[str, Any], kind: str) -> None:
    data = changed(tmp_path, ground_truth=detections([item]))
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith("samples.json, sample 1, detection 1")


def test_a_number_beyond_the_classes_is_a_fault(tmp_path: Path) -> None:
    fiftyone_labels(tmp_path)
    path = tmp_path / "labels.json"
    content = json.loads(path.read_text())
    content["labels"]["a"][0]["label"] = 7
    path.write_text(json.dumps(content))
    data = load(DataSpec(kind="fiftyone", root=str(tmp_path)), 64)
    assert data.faults.counts == {"object without a class": 1}


def test_labels_may_be_those_of_arrays(tmp_path: Path) -> None:
    fiftyone_labels(tmp_path)
    for name in FOUR:
        (tmp_path / "data" / f"{name}.png").unlink()
        np.save(tmp_path / "data" / f"{name}.npy", np.zeros((48, 64, 5), np.uint8))
    data = load(DataSpec(kind="fiftyone", root=str(tmp_path), channels=5), 64)
    assert read(data) == EXPECTED
    assert data.faults.total == 0
