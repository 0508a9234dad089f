"""Necks of a space, counted and estimated: every template must know which of its encodings make one neck."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.search_space import TEMPLATES, SearchSpace, count, nominal_frame
from nas.studies.catalog import names, read_space

FRAME = Frame(channels={3: 8, 4: 8, 5: 16}, image_size=256)

PYRAMID: dict[str, Any] = {
    "finest": [3, 5],
    "levels": [1, 2],
    "topology": ["none", "top_down", "bidirectional", "fully_connected"],
    "fusion": ["add", "concat", "global_gate"],
    "upsample": ["nearest", "deconv"],
    "widths": ["shared", "level"],
    "width": [8, 16],
    "conv": ["plain"],
}
BIFPN: dict[str, Any] = {"levels": [2, 3], "repeats": [1, 2], "upsample": "nearest", "fusion": ["add", "concat"]}
CELLS: dict[str, Any] = {"finest": 4, "levels": 2, "cells": 1, "fusion": ["add", "global_gate"], "width": 8}

SPACES = {
    "pyramid": ("pyramid", PYRAMID),
    "downsample": ("pyramid", PYRAMID | {"downsample": ["conv", "max_pool"], "fusion": "add"}),
    "repeats": ("pyramid", PYRAMID | {"repeats": [1, 2], "upsample": "nearest", "width": [8, 12]}),
    "only repeated": ("pyramid", PYRAMID | {"repeats": [2, 3], "upsample": "nearest", "width": 8}),
    "activations": (
        "pyramid",
        PYRAMID | {"act": ["none", "relu"], "order": ["post", "pre"], "fusion": "add", "width": 8},
    ),
    "context": ("pyramid", PYRAMID | {"context": ["none", "ppm"], "fusion": "add", "width": 8, "norm": "batch"}),
    "bifpn": ("pyramid", PYRAMID | BIFPN | {"topology": ["none", "top_down", "bifpn"], "levels": [1, 2]}),
    "bifpn alone": ("pyramid", PYRAMID | BIFPN | {"topology": "bifpn", "downsample": ["conv", "max_pool"]}),
    "cells": ("merging_cells", CELLS),
    "no cell between": ("merging_cells", CELLS | {"cells": 0, "fusion": ["add", "concat", "global_gate"]}),
    "two cells between": ("merging_cells", CELLS | {"cells": 2, "fusion": "add"}),
    "a coarser level": ("merging_cells", CELLS | {"finest": 5, "cells": [0, 1], "fusion": "add"}),
    "resampling": ("merging_cells", CELLS | {"upsample": ["nearest", "bilinear"], "fusion": "concat", "cells": [0, 1]}),
    "downsampling": ("merging_cells", CELLS | {"downsample": ["max_pool", "conv"], "fusion": "add", "repeats": [1, 2]}),
    "three levels": ("merging_cells", CELLS | {"finest": 3, "levels": 3, "cells": 0, "fusion": "add"}),
}


def made(name: str) -> SearchSpace:
    template, parameters = SPACES[name]
    return SearchSpace.parse({"name": "small", "template": template, "parameters": parameters})


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.slow
def test_a_template_knows_how_many_encodings_a_neck_has(name: str) -> None:
    """Every proposal of the space is built, and those with one digest are counted."""
    space = made(name)
    said: dict[str, set[int]] = {}
    found: Counter[str] = Counter()
    for _, _, proposal in TEMPLATES[space.template].proposals(space.choices, FRAME):
        name = digest(proposal.neck())
        found[name] += 1
        said.setdefault(name, set()).add(proposal.encodings(space.choices))
    assert said == {name: {n} for name, n in found.items()}
    assert max(found.values()) > 1


@pytest.mark.parametrize("name", ["pyramid", "cells"])
@pytest.mark.slow
def test_the_estimate_is_within_its_error(name: str) -> None:
    exact = count(made(name), FRAME, max_enumerated=100_000)
    estimate = count(made(name), FRAME, max_enumerated=10, samples=5_000)
    assert exact.exact
    assert not estimate.exact
    assert exact.error == 0 < estimate.error < exact.necks / 10
    assert abs(estimate.necks - exact.necks) < 4 * estimate.error
    assert exact.necks < exact.encodings
    assert estimate.encodings == pytest.approx(exact.encodings, rel=0.1)


def test_a_small_space_is_counted() -> None:
    space = made("pyramid").narrowed({"finest": 3, "levels": 2, "width": 8, "fusion": "add", "topology": "top_down"})
    # Two ways up, and the one width is said in two ways.
    assert count(space, FRAME) == (4, 2, True, 0.0)


@pytest.mark.parametrize("name", names("search_spaces"))
def test_shipped_spaces_are_counted(name: str) -> None:
    space = read_space(name)
    counted = count(space, nominal_frame(space), max_enumerated=500, samples=1_000)
    assert 0 < counted.necks <= counted.encodings
    if name == "merging_cells":
        assert counted.necks - 4 * counted.error > 1e6
