"""How two necks differ."""

from __future__ import annotations

import pytest
from hypothesis import given

from nas.necks.canonical import canonical
from nas.necks.describe import map_names
from nas.necks.diff import Change, NeckDiff, diff, match
from nas.necks.spec import ConvSpec, MergeSpec, NeckSpec
from nas.necks.topologies import bifpn, fpn, panet, pyramid
from tests.strategies import necks

FPN = fpn((3, 4, 5), 32)


def changed(neck: NeckSpec, level: int, inputs: int, **changes: object) -> NeckSpec:
    """The neck with another node, the first of that level and number of inputs."""
    nodes = list(neck.nodes)
    k = next(k for k, node in enumerate(nodes) if node.level == level and len(node.inputs) == inputs)
    nodes[k] = nodes[k].model_copy(update=changes)
    return NeckSpec(inputs=neck.inputs, nodes=tuple(nodes), outputs=neck.outputs)


def changed_facts(found: NeckDiff) -> dict[str, tuple[str, str]]:
    return {fact.word: (fact.a, fact.b) for fact in found.facts if fact.a != fact.b}


def test_what_panet_adds_to_an_fpn_is_its_bottom_up_path() -> None:
    found = diff(FPN, panet((3, 4, 5), 32))
    assert changed_facts(found) == {"downsampling": ("-", "conv"), "nodes": ("5", "9")}
    assert found.only_a == ()
    assert [(node.name, node.made) for node in found.only_b] == [
        ("M4.3", "down(P3, conv) -> ReLU"),
        ("P4", "add(M4.2, M4.3) -> 3x3 conv, ReLU"),
        ("M5.3", "down(P4, conv) -> ReLU"),
        ("P5", "add(M5.3, M5.2) -> 3x3 conv, ReLU"),
    ]
    assert found.changes == (Change(what="an output -> a map in between", nodes=(("P5", "M5.2"), ("P4", "M4.2"))),)
    assert found.kept == 3


def test_one_fusion_is_one_change() -> None:
    found = diff(FPN, changed(FPN, 4, 2, fuse="attention"))
    assert found.changes == (Change(what="fusion add -> attention", nodes=(("M4", "M4"),)),)
    assert (found.only_a, found.only_b, found.kept) == ((), (), 4)
    assert changed_facts(found) == {"fusion": ("add", "attention, add")}


def test_one_block_is_one_change() -> None:
    found = diff(FPN, changed(FPN, 5, 1, block=ConvSpec(kernel=1, act="relu")))
    assert [change.what for change in found.changes] == ["followed by nothing -> 1x1 conv, ReLU"]


def test_a_change_of_all_nodes_is_listed_once() -> None:
    found = diff(FPN, fpn((3, 4, 5), 64))
    (change,) = found.changes
    assert change.what == "width 32 -> 64"
    assert {a for a, _ in change.nodes} == {"M5", "P5", "M4", "P4", "P3"}
    assert changed_facts(found) == {"width": ("32", "64")}
    up = diff(FPN, fpn((3, 4, 5), 32, upsample="bilinear"))
    assert [(c.what, len(c.nodes)) for c in up.changes] == [("upsampling nearest -> bilinear", 2)]


def test_an_input_more_and_an_input_less() -> None:
    flat = pyramid((3, 4), (3, 4), dict.fromkeys((3, 4), 8), "none")
    deep = pyramid((3, 4), (3, 4), dict.fromkeys((3, 4), 8), "top_down")
    more = [change.what for change in diff(flat, deep).changes]
    less = [change.what for change in diff(deep, flat).changes]
    assert any(what.startswith("also takes up(M4, nearest)") for what in more)
    assert any(what.startswith("no longer takes up(M4, nearest)") for what in less)


def test_another_projection_is_a_change() -> None:
    plain = pyramid((3, 4), (3, 4), dict.fromkeys((3, 4), 8), norm="none")
    normed = pyramid((3, 4), (3, 4), dict.fromkeys((3, 4), 8), norm="batch")
    assert "projection 1x1 conv -> 1x1 conv, BN" in [change.what for change in diff(plain, normed).changes]


def test_necks_with_another_graph_share_no_node() -> None:
    found = diff(bifpn((3, 4, 5), 64), fpn((3, 4, 5), 64))
    assert (len(found.only_a), len(found.only_b), found.changes, found.kept) == (12, 5, (), 0)


def test_another_encoding_is_the_same_neck() -> None:
    neck = panet((3, 4, 5), 32)
    assert diff(neck, canonical(neck)) == NeckDiff(same=True, kept=9)


@given(necks(), necks())
def test_every_node_is_listed_once(a: NeckSpec, b: NeckSpec) -> None:
    found, pairs = diff(a, b), match(canonical(a), canonical(b))
    if found.same:
        return
    for neck, only, own in (
        (canonical(a), found.only_a, list(pairs)),
        (canonical(b), found.only_b, [*pairs.values()]),
    ):
        names = map_names(neck)
        assert len(set(own)) == len(own)
        assert sorted([*(names[i] for i in own), *(node.name for node in only)]) == sorted(names[len(neck.inputs) :])
    assert all(canonical(a).level_of(i) == canonical(b).level_of(j) for i, j in pairs.items())


@given(necks(), necks())
def test_necks_that_differ_show_a_difference(a: NeckSpec, b: NeckSpec) -> None:
    found = diff(a, b)
    if not found.same:
        silent = not (found.only_a or found.only_b or found.changes)
        assert not silent or [fact for fact in found.facts if fact.a != fact.b]


def test_another_merge_is_a_change() -> None:
    merge = MergeSpec(kind="sum", level=4, width=8, block=ConvSpec(kernel=1))
    a = NeckSpec.model_validate(FPN.model_dump() | {"merge": merge.model_dump()})
    for changes in ({"block": ConvSpec(kernel=1, act="relu")}, {"up": "bilinear"}, {"down": "conv"}):
        b = a.model_copy(update={"merge": merge.model_copy(update=changes)})
        assert [fact.word for fact in diff(a, b).facts if fact.a != fact.b] == ["merged"]


@pytest.mark.parametrize("neck", [FPN, panet((3, 4, 5), 32), bifpn((3, 4, 5), 32)])
def test_a_neck_matches_itself_node_by_node(neck: NeckSpec) -> None:
    neck = canonical(neck)
    assert match(neck, neck) == {i: i for i in range(len(neck.inputs), len(neck.inputs) + len(neck.nodes))}
