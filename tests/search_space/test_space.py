"""Which necks a space proposes, and the names of its parameters in Optuna."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import optuna
import pytest

from nas.errors import SpecError
from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.operators import FUSIONS, UPSAMPLINGS
from nas.necks.spec import NeckSpec
from nas.necks.topologies import bifpn, fpn, lateral, nas_fpn, panet, pyramid
from nas.search_space import SearchSpace
from nas.studies.catalog import read_space

FRAME = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=128)
SMALL: dict[str, Any] = {
    "finest": [2, 4],
    "levels": [2, 3],
    "topology": ["none", "top_down"],
    "fusion": ["add", "concat"],
    "upsample": ["nearest", "deconv"],
    "widths": ["shared", "level"],
    "width": [16, 32],
    "conv": ["plain"],
}

SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=8, multivariate=True, group=True),
}


def space(**changes: Any) -> SearchSpace:
    return SearchSpace.parse({"name": "small", "parameters": SMALL | changes})


def brute_force(parameters: Mapping[str, Any], frame: Frame) -> set[tuple[object, ...]]:
    """Every combination of all choices, without the parts that say nothing."""
    found = set()
    keys = ("finest", "levels", "topology", "fusion", "upsample", "widths", "conv")
    for finest, levels, topology, fusion, upsample, widths, conv in product(*(parameters[k] for k in keys)):
        coarsest = finest + levels - 1
        if finest not in frame.channels or -(-frame.image_size // 2**coarsest) < 2:
            continue
        fuses = (fusion, upsample) if topology != "none" else ()
        each = levels if widths == "level" and levels > 1 else 1
        for width in product(parameters["width"], repeat=each):
            kind = widths if each > 1 else "shared" if levels > 1 else widths
            found.add((finest, levels, topology, *fuses, kind, conv, width))
    return found


@pytest.mark.parametrize("image_size", [48, 64, 128])
@pytest.mark.parametrize("levels", [[2, 3], [2, 3, 5], [4]])
def test_every_proposal_comes_once(image_size: int, levels: list[int]) -> None:
    frame = FRAME.model_copy(update={"image_size": image_size})
    names = [tuple(sorted(params.items())) for params, _ in space(levels=levels).proposals(frame)]
    assert len(set(names)) == len(names) == len(brute_force(SMALL | {"levels": levels}, frame))


def test_every_proposal_is_a_neck_that_fits() -> None:
    """Also the pyramid space's own: its least and largest widths, and one choice for its convolutions."""
    plain: dict[str, Any] = {"norm": "batch", "act": "silu", "order": "pre", "repeats": 2}
    narrow = read_space("pyramid").narrowed(plain | {"width": [16, 96], "widths": "shared"})
    seen = set()
    for params, neck in narrow.proposals(FRAME):
        neck.check(FRAME.channels)
        assert FRAME.map_size(max(neck.output_levels)) >= 2
        seen |= set(params)
    assert seen == {"finest", "levels", "topology", "fusion", "upsample", "downsample", "width", "conv"}


def test_the_shipped_space_holds_what_it_promises() -> None:
    parameters = read_space("pyramid").parameters
    assert {"add", "concat", "attention"} <= set(parameters["fusion"]) <= set(FUSIONS)
    assert {"nearest", "bilinear", "deconv", "pixel_shuffle"} <= set(parameters["upsample"]) <= set(UPSAMPLINGS)
    assert set(parameters["topology"]) == {"none", "top_down", "bidirectional", "bifpn"}
    assert set(parameters["widths"]) == {"shared", "level"}


def asked(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded of a trial whose answers are fixed."""
    trial = optuna.trial.FixedTrial(dict(params))
    space.suggest(trial, FRAME)
    return trial.params


def test_only_parameters_that_matter_are_asked_for() -> None:
    fixed = {"finest": 2, "levels": 2, "fusion": "add", "upsample": "deconv", "width": 16}
    top_down = fixed | {"topology": "top_down", "widths": "shared"}
    assert asked(space(), top_down) == top_down
    assert set(asked(space(), top_down | {"topology": "none"})) == {"finest", "levels", "topology", "widths", "width"}
    a_level = fixed | {"topology": "none", "widths": "level", "width_p2": 16, "width_p3": 32}
    assert set(asked(space(), a_level)) == {"finest", "levels", "topology", "widths", "width_p2", "width_p3"}


def test_evenly_spaced_numbers_are_asked_for_as_numbers() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    space(width={"low": 16, "high": 96, "step": 16}, widths="shared").suggest(trial, FRAME)
    assert trial.distributions["width"] == optuna.distributions.IntDistribution(16, 96, step=16)
    assert isinstance(trial.distributions["topology"], optuna.distributions.CategoricalDistribution)


@pytest.mark.parametrize("levels", [[2, 3, 5], [2, 3, 4], [2, 4, 5], [5, 3, 2], [2, 3, 4, 6]])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_one_optuna_study_takes_all_proposals_of_a_space(levels: list[int], sampler: str) -> None:
    """Optuna fixes a name's kind and categories for a study, and what fits depends on the finest level."""
    study = optuna.create_study(sampler=SAMPLERS[sampler]())
    own = space(finest=[2, 3, 4], levels=levels)
    known = {tuple(sorted(params.items())) for params, _ in own.proposals(FRAME)}
    for i in range(40):
        trial = study.ask()
        neck = own.suggest(trial, FRAME)
        assert FRAME.map_size(max(neck.output_levels)) >= 2
        assert tuple(sorted(trial.params.items())) in known
        study.tell(trial, float(i % 7))


def test_samples_are_proposals_of_the_space() -> None:
    own = space()
    known = {str(sorted(params.items())): neck for params, neck in own.proposals(FRAME)}
    for seed in range(50):
        params, neck = own.sample(FRAME, random.Random(seed))
        assert known[str(sorted(params.items()))] == neck


def test_a_study_narrows_and_fixes() -> None:
    narrowed = space().narrowed({"fusion": "add", "width": {"low": 8, "high": 12, "step": 2}, "levels": [3]})
    assert narrowed.parameters["fusion"] == ("add",)
    assert narrowed.parameters["width"] == (8, 10, 12)
    assert narrowed.parameters["levels"] == (3,)
    assert narrowed.parameters["topology"] == ("none", "top_down")
    found = list(narrowed.proposals(FRAME))
    assert {len(neck.output_levels) for _, neck in found} == {3}
    asked = {name for params, _ in found for name in params}
    assert "topology" in asked
    assert not {"fusion", "levels"} & asked
    fast = space().narrowed({"fusion": "fast_attention"})  # the template knows it, though the space does not list it
    assert fast.parameters["fusion"] == ("fast_attention",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"depth": 3}, "space.depth: unknown parameter; one of finest, levels"),
        ({"fusion": "sum"}, "space.fusion: 'sum' is not one of add, concat, attention"),
        ({"fusion": []}, "space.fusion: an empty list of choices"),
        ({"width": {"low": 32, "high": 16}}, "space.width: an empty range: low 32 is above high 16"),
        ({"width": {"low": 16}}, "space.width: high: is missing"),
        ({"width": 0}, "space.width: 0 is not one of 1 to 4096"),
        ({"levels": [2, 9]}, "space.levels: 9 is not one of 1 to 7"),
        ({"levels": [2, 2]}, "space.levels: a choice is listed twice in [2, 2]"),
        ({"width": 16.5}, "space.width: choices are names or whole numbers, not [16.5]"),
        ({"width": True}, "space.width: choices are names or whole numbers, not [True]"),
    ],
)
def test_faults_name_their_place(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        space().narrowed(given)
    assert str(error.value).startswith(said)
    assert len(error.value.faults) == 1


def test_all_faults_at_once() -> None:
    with pytest.raises(SpecError) as error:
        space().narrowed({"depth": 3, "fusion": "sum", "width": []})
    assert {fault.path for fault in error.value.faults} == {"space.depth", "space.fusion", "space.width"}
    with pytest.raises(SpecError) as error:
        SearchSpace.parse({"name": "mine", "parameters": {"finest": [2], "levels": [3], "fusion": "sum"}})
    paths = {fault.path for fault in error.value.faults}
    assert paths == {f"parameters.{name}" for name in ("fusion", "topology", "upsample", "widths", "width", "conv")}


def test_no_level_beyond_the_coarsest_that_there_is() -> None:
    """On large images P8 would have cells enough, and is no level."""
    frame = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=640)
    narrow = read_space("pyramid").narrowed({"widths": "shared", "width": 16, "fusion": "add", "upsample": "nearest"})
    coarsest = {max(neck.output_levels) for _, neck in narrow.proposals(frame)}
    assert max(coarsest) == 7


def test_a_frame_in_which_nothing_fits_is_a_sentence() -> None:
    tiny = Frame(channels={4: 8, 5: 8}, image_size=32)
    said = r"^space\.levels: no pyramid of finest \[2, 4\] and levels \[2, 3\] fits: the backbone gives P4, P5, "
    with pytest.raises(SpecError, match=said):
        space().check(tiny)
    space().check(FRAME)


def test_what_is_left_out_is_not_stored() -> None:
    """A study is resumed only on the space that it was stored with; `norm` has always been written out."""
    assert set(space().to_dict()["parameters"]) == {*SMALL, "norm"}
    assert space().choices["repeats"] == (1,)
    assert space().narrowed({"repeats": [1, 2]}).choices["repeats"] == (1, 2)


@pytest.mark.parametrize("neck", [fpn((2, 3, 4, 5), 64), bifpn((2, 3, 4, 5), 96), bifpn((3, 4, 5), 32, 1, repeats=1)])
def test_published_necks_are_points_of_the_shipped_space(neck: NeckSpec) -> None:
    """Asked with the parameters that are found, the space proposes that very neck."""
    own = read_space("pyramid")
    params = own.find(neck, FRAME)
    assert params is not None
    assert digest(own.suggest(optuna.trial.FixedTrial(params), FRAME)) == digest(neck)
    assert asked(own, params) == params


@pytest.mark.parametrize(
    "neck",
    [
        panet((2, 3, 4, 5), 64),
        bifpn((2, 3, 4, 5), 100),
        bifpn((3, 4), 32, repeats=4),
        pyramid((2, 3), (2, 3), {2: 32, 3: 40}, "top_down"),
        lateral((5,), 32),
        fpn((3, 4, 5), 32, 2),
    ],
)
def test_what_lies_outside_is_not_found(neck: NeckSpec) -> None:
    assert read_space("pyramid").find(neck, FRAME) is None


@pytest.mark.parametrize("name", ["pyramid", "wide_pyramid", "modern"])
@pytest.mark.parametrize("seed", range(25))
def test_every_proposal_is_found_again(name: str, seed: int) -> None:
    """In the whole space or a part of it: by its own parameters, or by those of another proposal of the same neck."""
    rng = random.Random(seed)
    own = read_space(name)
    parts: dict[str, Any] = {
        k: rng.sample(v, rng.randint(1, len(v))) for k, v in own.parameters.items() if k[:5] != "width"
    }
    if name == "modern":
        del parts["fusion"]  # inject alone goes with no bifpn
    own = own.narrowed(parts | {"finest": [2, 3, 4]}) if seed else own
    _, neck = own.sample(FRAME, rng)
    found = own.find(neck, FRAME)
    assert found is not None
    assert digest(own.suggest(optuna.trial.FixedTrial(found), FRAME)) == digest(neck)


@pytest.mark.parametrize(
    ("neck", "part"),
    [
        (fpn((2, 3, 4, 5), 64), {"order": "pre"}),
        (fpn((2, 3, 4, 5), 64), {"widths": "level"}),
        (pyramid((2, 3), (2, 3), {2: 32, 3: 32}, "none"), {"upsample": "bilinear"}),
        (pyramid((2, 3), (2, 3), {2: 32, 3: 48}, "bifpn", repeats=2), {}),
    ],
)
def test_what_a_neck_does_not_show_is_no_hindrance(neck: NeckSpec, part: dict[str, Any]) -> None:
    assert read_space("pyramid").narrowed(part).find(neck, FRAME) is not None


def test_a_neck_with_a_fusion_of_two_in_a_space_of_more() -> None:
    """Topologies that fuse more than two maps cannot be meant."""
    part = {"fusion": ["concat", "global_gate"]}
    assert read_space("wide_pyramid").narrowed(part).find(nas_fpn((2, 3, 4, 5), 32), FRAME) is None


def test_a_template_without_traces_finds_nothing() -> None:
    own = read_space("merging_cells")
    assert own.find(own.sample(FRAME, random.Random(0))[1], FRAME) is None


@pytest.mark.parametrize("image_size", [48, 128])
def test_the_level_that_every_neck_needs(image_size: int) -> None:
    frame = FRAME.model_copy(update={"image_size": image_size})
    for own in (space(), space(finest=[3, 2], levels=[3, 2])):
        assert own.coarsest_input(frame) == min(max(neck.inputs) for _, neck in own.proposals(frame))


def test_an_unknown_template_is_a_sentence() -> None:
    with pytest.raises(SpecError, match=r"template: unknown 'tree'; one of pyramid, merging_cells"):
        SearchSpace.parse({"name": "mine", "template": "tree", "parameters": SMALL})


def test_choices_that_do_not_go_together_are_a_sentence() -> None:
    said = r"^space\.fusion: fully_connected fuses any number of maps, which global_gate cannot: add another$"
    with pytest.raises(SpecError, match=said):
        space().narrowed({"topology": ["top_down", "fully_connected"], "fusion": "global_gate"})
    with pytest.raises(SpecError, match=r"^space\.levels: a bifpn has two levels or more: leave out 1$"):
        space().narrowed({"topology": "bifpn", "levels": [1, 2]})
    assert space().narrowed({"topology": ["none", "bifpn"], "levels": [1, 2]}).parameters["levels"] == (1, 2)


def test_parameters_of_one_choice_are_not_asked_for() -> None:
    """So that samplers of older studies see no difference."""
    own = space(act="relu", order="pre", context="ppm", downsample="max_pool", repeats=2)
    with_norm = own.sample(FRAME, random.Random(5))
    plain = space().sample(FRAME, random.Random(5))
    assert with_norm[0] == plain[0]
    assert with_norm[1] != plain[1]
