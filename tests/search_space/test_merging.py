"""Free graphs: the parameters of a proposal, and that one Optuna study takes all proposals."""

from __future__ import annotations

import random
from typing import Any

import optuna
import pytest

from nas.errors import SpecError
from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.topologies import nas_fpn
from nas.search_space import SearchSpace
from nas.studies.catalog import read_space

FRAME = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=128)
LARGE = Frame(channels={3: 40, 4: 112, 5: 320}, image_size=512)


def space(**changes: Any) -> SearchSpace:
    parameters = {"finest": [2, 3], "levels": [2, 3], "cells": [0, 1, 2], "fusion": ["add", "global_gate"], "width": 8}
    return SearchSpace.parse({"name": "mine", "template": "merging_cells", "parameters": parameters | changes})


def test_nas_fpn_is_one_of_the_necks() -> None:
    own = space(finest=3, levels=5, cells=2, repeats=[1, 7], width=[16, 32], downsample="max_pool_2x2")
    # First and second inputs (of the rest), level of the finest, or place among the levels that have no output yet.
    chosen = [(1, 2, 1, 1), (1, 4, 1, 0), (0, 5, 0, 0), (6, 6, 0, 0), (7, 7, 0, 1), (6, 8, 1, 1), (9, 9, 0, 1)]
    params: dict[str, Any] = {"repeats": 7, "width": 16}
    for k, (first, second, place, gate) in enumerate(chosen):
        where = "level_of_5" if k < 2 else f"output_of_{7 - k}"
        name, maps = f"cell{k + 1}", 5 + k
        params |= {f"{name}_first_of_{maps}": first, f"{name}_second_of_{maps - 1}": second, f"{name}_{where}": place}
        params[f"{name}_fusion"] = "global_gate" if gate else "add"
    neck = own.suggest(optuna.trial.FixedTrial(params), LARGE)
    assert digest(neck) == digest(nas_fpn((3, 4, 5), 16))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_one_optuna_study_takes_all_proposals() -> None:
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=8, multivariate=True, group=True)
    study = optuna.create_study(sampler=sampler)
    for i in range(40):
        trial = study.ask()
        neck = space().suggest(trial, FRAME)
        neck.check(FRAME.channels)
        study.tell(trial, float(i % 7))
    assert len({tuple(t.params.items()) for t in study.trials}) > 30


@pytest.mark.parametrize("seed", range(20))
def test_every_level_has_its_output(seed: int) -> None:
    params, neck = read_space("merging_cells").sample(FRAME, random.Random(seed))
    neck.check(FRAME.channels)
    levels = neck.output_levels
    assert levels == tuple(range(levels[0], levels[-1] + 1))
    assert len(levels) in (3, 4)
    assert {neck.width_of(i, FRAME.channels) for i in neck.outputs} <= {16, 32, 48, 64}
    fused = [node for node in neck.nodes if node.block is not None and node.block.order == "pre"]
    assert len(fused) % (len(levels) + int(params["cells"])) == 0


def test_a_faulty_parameter_is_a_sentence() -> None:
    with pytest.raises(SpecError, match=r"parameters\.topology: unknown parameter; one of finest, levels, cells"):
        space(topology="top_down")
