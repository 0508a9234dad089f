"""Baselines: published necks on all of the task's levels, as wide as the space allows."""

from __future__ import annotations

from typing import Any

import pytest

from nas.errors import SpecError
from nas.necks.architecture import Frame
from nas.necks.topologies import bifpn, fpn, panet
from nas.search.baselines import baseline_necks
from nas.studies.catalog import read_space
from nas.studies.spec import Baseline

FRAME = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=128)
SPACE = read_space("pyramid").narrowed({"width": [16, 80, 48]})
LEVELS = (2, 3, 4, 5)


def necks(*baselines: Any) -> Any:
    return baseline_necks(tuple(Baseline.model_validate(b) for b in baselines), FRAME, SPACE)


def test_they_are_as_wide_as_the_widest_of_the_space() -> None:
    found = necks("fpn", "panet", "bifpn")
    assert found == {"fpn": fpn(LEVELS, 80), "panet": panet(LEVELS, 80), "bifpn": bifpn(LEVELS, 80)}


def test_options_and_names() -> None:
    found = necks({"name": "small", "topology": "fpn", "width": 16}, {"topology": "bifpn", "repeats": 1}, "fpn")
    assert found == {"small": fpn(LEVELS, 16), "bifpn": bifpn(LEVELS, 80, repeats=1), "fpn": fpn(LEVELS, 80)}
    assert necks() == {}


def test_the_seed_has_one_map_and_is_no_baseline_of_detection() -> None:
    same = Frame(channels={1: 16, 2: 16, 3: 16}, image_size=128)
    seed = Baseline(name="seed", topology="seed_fpn", options={"width": 16})
    said = r"^baselines\[0\]: seed_fpn has one output map, and the task's head needs a pyramid$"
    with pytest.raises(SpecError, match=said):
        baseline_necks((seed,), same, SPACE)


def test_all_that_does_not_fit_is_said_at_once() -> None:
    with pytest.raises(SpecError) as error:
        necks({"name": "fpn", "repeats": 2}, "seed_fpn", {"name": "far", "topology": "fpn", "extra": 3}, "panet")
    said = [str(fault) for fault in error.value.faults]
    assert said[0] == "baselines[0]: fpn: has no option 'repeats'; it has width, extra, upsample, extra_on"
    assert said[1].startswith("baselines[1]: seed_fpn does not fit the task: nodes[0]: add of unequal widths")
    assert {fault.split(":")[0] for fault in said} == {"baselines[0]", "baselines[1]", "baselines[2]"}
    assert "less than or equal to 7, not 8" in said[-1]
