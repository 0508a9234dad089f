"""A script adds to the tables by a call or a decorator."""

from __future__ import annotations

from importlib import import_module

import pytest

import nas
from nas.errors import UserError
from nas.necks.operators import FUSIONS, Fusion
from nas.plugins import TABLES, Table, forget, seal
from nas.search_space import SearchSpace
from nas.studies import catalog
from nas.studies.metrics import METRICS, Metric


@pytest.mark.parametrize("table", TABLES)
def test_every_table_stands_where_the_list_says(table: str) -> None:
    module, attribute = TABLES[table].split(":")
    found = getattr(import_module(module), attribute)
    assert isinstance(found, Table)
    assert found.name == table
    assert found.own


def test_a_call_and_a_decorator_do_the_same() -> None:
    median = nas.register("fusions", "median", Fusion("the middle"))
    assert FUSIONS["median"] is median
    assert list(FUSIONS)[-1] == "median"
    assert FUSIONS.source_of("median") == "this script"

    @nas.register("fusion_builders", "median")
    def build(count: int, width: int) -> None: ...

    assert import_module("nas.models.fuse").FUSIONS["median"] is build


def test_a_space_that_was_made_before_knows_a_name_that_comes_after() -> None:
    nas.register("fusions", "median", Fusion("the middle"))
    space = catalog.read_space("pyramid").narrowed({"fusion": ["add", "median"]})
    assert space.parameters["fusion"] == ("add", "median")
    assert isinstance(space, SearchSpace)


def test_a_name_is_taken_once() -> None:
    nas.register("metrics", "depth", Metric("depth"))
    with pytest.raises(UserError, match=r"^metrics: 'depth' is taken twice, by this script and by this script; choose"):
        nas.register("metrics", "depth", Metric("depth"))
    with pytest.raises(UserError, match=r"^metrics: 'ap' is taken twice, by pyramid-nas itself and by this script"):
        nas.register("metrics", "ap", Metric("mine"))
    forget("metrics", "depth")
    nas.register("metrics", "depth", Metric("depth"))


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match=r"^metrics: 'depth' of this script should be a Metric, not 7$"):
        nas.register("metrics", "depth", 7)
    with pytest.raises(UserError, match=r"^heads: 'mine' of this script should be a class derived from BoxHead or Pix"):
        nas.register("heads", "mine", object)
    with pytest.raises(UserError, match=r"^samplers: 'mine' of this script should be callable"):
        nas.register("samplers", "mine", "tpe")
    assert "depth" not in METRICS


def test_an_unknown_table_names_a_close_one() -> None:
    with pytest.raises(UserError, match=r"^there is no table 'metric'; did you mean metrics\?$"):
        nas.register("metric", "depth", Metric("depth"))


def test_a_sealed_process_takes_nothing() -> None:
    seal("studies arrive over a network")
    with pytest.raises(UserError, match=r"^metrics: 'depth' of this script is refused, because studies arrive over a"):
        nas.register("metrics", "depth", Metric("depth"))
    assert "depth" not in METRICS
