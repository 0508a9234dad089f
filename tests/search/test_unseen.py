"""Unseen: every neck of a space is found once, a slice of time at a turn."""

from __future__ import annotations

import pytest

from nas.necks.architecture import Architecture
from nas.search.setup import Setup
from nas.search.unseen import Unseen
from nas.studies import catalog
from nas.studies.metrics import Metrics
from tests import searches
from tests.searches import spec


class Counting(Setup):
    """A setup that tells of what costs were asked for."""

    asked: list[str]

    def costs(self, architecture: Architecture) -> Metrics:
        self.asked.append(architecture.digest)
        return super().costs(architecture)


def counting(**constraints: float) -> Counting:
    study = spec(constraints=constraints)
    setup = Counting(study, catalog.read_space(study.search_space).narrowed(study.space), searches.prepared(), {})
    object.__setattr__(setup, "asked", [])
    return setup


def found(setup: Setup, unseen: Unseen) -> tuple[set[str], int]:
    """The digests of all that is left, and the turns it took."""
    seen: set[str] = set()
    turns = 0
    while not unseen.ended:
        turns += 1
        params = unseen.next(seen)
        if params is not None:
            necks = [neck for p, neck in setup.space.proposals(setup.task.frame) if p == params]
            assert len(necks) == 1
            seen.add(setup.task.architecture(necks[0]).digest)
    return seen, turns


def test_the_whole_space_is_found() -> None:
    setup = counting()
    seen, _ = found(setup, unseen := Unseen(setup, seed=0))
    assert seen == {setup.task.architecture(neck).digest for _, neck in setup.space.proposals(setup.task.frame)}
    assert len(seen) == 12
    assert unseen.next(set()) is None


def test_a_turn_is_a_slice_of_time_and_the_end_is_seen_only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = counting(neck_params=10)
    monkeypatch.setattr("nas.search.unseen.SLICE_SECONDS", float("inf"))  # a busy machine is no reason to fail
    whole, turns = found(setup, Unseen(setup, seed=0))
    assert (whole, turns) == (set(), 1)
    assert len(setup.asked) == len(set(setup.asked)) == 12, "what was found infeasible is not costed again"
    monkeypatch.setattr("nas.search.unseen.SLICE_SECONDS", -1.0)
    none, turns = found(setup, Unseen(setup, seed=0))
    proposals = sum(1 for _ in setup.space.proposals(setup.task.frame))
    assert (none, turns) == (set(), 2 * proposals + 1)
