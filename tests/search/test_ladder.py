"""Which necks go on: the rule alone, with scores from a table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.ladder import Ladder, Promoted, _adds, _adds_of_two, _fronts, ranking

EPOCHS = (4, 8, 16, 32, 48)


def ladder(keep: float = 0.5, noise: float = 0.0, share: float = 0.25) -> Ladder:
    return Ladder(EPOCHS, keep, [(noise,)] * 5, share)


def climb(rungs: Ladder, scores: np.ndarray, *, arriving: bool = False, workers: int = 1) -> None:
    """Carry promotions out until none is left, `workers` at a time, the oldest first; scores [necks, milestones]."""
    going: list[Promoted] = []
    while True:
        while len(going) < workers and (found := rungs.next(arriving)) is not None:
            rungs.going[found.digest] = found.rung
            going.append(found)
        if not going:
            return
        done = going.pop(0)
        rungs.learn(done.digest, done.rung, (-float(scores[int(done.digest), done.rung]),))


def started(rungs: Ladder, scores: np.ndarray) -> Ladder:
    for neck in range(len(scores)):
        rungs.learn(str(neck), 0, (-float(scores[neck, 0]),))
    return rungs


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_halves_climb_to_the_top_at_a_quarter_of_the_cost(workers: int) -> None:
    scores = np.random.default_rng(0).random((32, 1)).repeat(5, 1)
    rungs = started(ladder(), scores)
    climb(rungs, scores, workers=workers)
    assert [len(there) for there in rungs.reached] == [32, 16, 8, 4, 2]
    assert rungs.ranked()[0] == str(scores[:, 0].argmax())
    assert rungs.spent == 32 * 4 + 16 * 4 + 8 * 8 + 4 * 16 + 2 * 16
    assert rungs.spent <= 0.25 * rungs.of_full


def arrive(rungs: Ladder, scores: np.ndarray, workers: int = 1) -> list[int]:
    """Trials that are done one by one, with promotions between. Returns how many necks went on after each trial."""
    counts = []
    for neck in range(len(scores)):
        rungs.learn(str(neck), 0, (-float(scores[neck, 0]),))
        climb(rungs, scores, arriving=True, workers=workers)
        counts.append(len(rungs.reached[1]))
    return counts


def test_the_first_to_arrive_wait_for_others_to_be_ranked_among() -> None:
    scores = np.linspace(1, 0, 16)[:, None].repeat(5, 1)  # the best come first
    assert arrive(ladder(), scores) == [0] * 7 + [1] * 8 + [2]


def test_with_a_patience_of_1_as_many_go_on_early_as_late() -> None:
    scores = np.linspace(1, 0, 8)[:, None].repeat(5, 1)
    rungs = Ladder(EPOCHS, 0.5, [(0.0,)] * 5, patience=1)
    assert arrive(rungs, scores) == [0, 1, 1, 2, 2, 3, 3, 4]


def test_who_is_late_still_gets_up() -> None:
    scores = np.linspace(0, 1, 16)[:, None].repeat(5, 1)  # the best comes last
    rungs = ladder()
    assert arrive(rungs, scores)[-1] > 2, "one of the best went on from time to time"
    climb(rungs, scores)
    assert rungs.ranked()[0] == "15"
    assert "15" in rungs.reached[-1]
    assert len(rungs.reached[1]) >= 8


def test_little_is_spent_on_early_promotions() -> None:
    """Whoever goes on before all are there costs more only if it would not have gone on later."""
    scores = np.random.default_rng(2).random((64, 1)).repeat(5, 1)

    def spent(patience: int) -> int:
        rungs = Ladder(EPOCHS, 0.5, [(0.0,)] * 5, patience=patience)
        arrive(rungs, scores)
        climb(rungs, scores)
        return rungs.spent

    at_once = started(ladder(), scores)
    climb(at_once, scores)
    assert at_once.spent <= spent(3) < 1.15 * at_once.spent < spent(1)


def test_one_neck_goes_up_alone() -> None:
    scores = np.ones((1, 5))
    rungs = started(ladder(), scores)
    climb(rungs, scores)
    assert [len(there) for there in rungs.reached] == [1] * 5


def test_a_failed_promotion_is_not_tried_again() -> None:
    rungs = started(ladder(), np.array([[0.9], [0.1]]))
    found = rungs.next(False)
    assert found == Promoted("0", 1)
    rungs.going["0"] = 1
    rungs.fail("0")
    assert rungs.next(False) is None
    assert rungs.ranked() == ["0", "1"]


def test_noise_brings_up_who_is_near_the_cut_and_nobody_else() -> None:
    scores = np.array([[0.50], [0.49], [0.48], [0.30]]).repeat(5, 1)
    rungs = started(ladder(noise=0.02, share=1.0), scores)
    climb(rungs, scores)
    assert set(rungs.reached[1]) == {"0", "1", "2"}


def test_noise_stays_within_its_share() -> None:
    scores = np.random.default_rng(1).normal(0.5, 0.001, (32, 1)).repeat(5, 1)
    rungs = started(ladder(noise=1.0, share=0.3), scores)
    climb(rungs, scores, workers=4)
    assert len(rungs.reached[1]) > 16
    assert rungs.spent <= 0.3 * rungs.of_full


def test_several_objectives_rank_by_front_then_by_what_a_point_adds() -> None:
    costs = {
        "dominated": (3.0, 3.0),
        "crowded": (1.05, 1.95),
        "left": (0.0, 4.0),
        "knee": (1.0, 2.0),
        "right": (4.0, 0.0),
        "worst": (5.0, 5.0),
    }
    order = ranking(costs)
    assert set(order[:2]) == {"left", "right"}
    assert set(order[2:4]) == {"knee", "crowded"}
    assert order[4:] == ["dominated", "worst"]


def test_several_objectives_climb() -> None:
    rng = np.random.default_rng(0)
    rungs = Ladder(EPOCHS, 0.5, [(0.0, 0.0)] * 5)
    points = {str(k): tuple(rng.random(2)) for k in range(16)}
    for name, point in points.items():
        rungs.learn(name, 0, point)
    while (found := rungs.next(False)) is not None:
        rungs.going[found.digest] = found.rung
        rungs.learn(found.digest, found.rung, points[found.digest])
    assert [len(there) for there in rungs.reached] == [16, 8, 4, 2, 1]
    front = {n for n, p in points.items() if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points.values())}
    assert set(rungs.reached[-1]) <= front


def test_a_neck_that_is_further_already_is_not_sent_where_it_has_been() -> None:
    rungs = ladder()
    for name, cost in (("a", 0.1), ("b", 0.2)):
        rungs.learn(name, 0, (cost,))
    rungs.learn("a", 3, (0.1,))
    assert rungs.next(False) == Promoted("a", 4)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=40))
def test_fronts_are_what_is_left_undominated_each_time(points: list[tuple[int, ...]]) -> None:
    costs = {str(k): tuple(map(float, point)) for k, point in enumerate(points)}
    left, expected = dict(costs), []
    while left:
        front = [n for n, p in left.items() if not any(q != p and np.all(np.less_equal(q, p)) for q in left.values())]
        expected.append(front)
        left = {name: point for name, point in left.items() if name not in front}
    assert _fronts(costs) == expected


@given(st.lists(st.integers(0, 60), min_size=2, max_size=24), st.integers(1, 20), st.integers(0, 12))
def test_noise_brings_up_the_first_of_those_whom_it_may(scores: list[int], noise: int, gone: int) -> None:
    rungs = Ladder(EPOCHS, 0.5, [(float(noise),)] * 5, share=9.0)
    for neck, score in enumerate(scores):
        rungs.learn(str(neck), 0, (float(score),))
    order, count = rungs.order(0), len(scores) // 2
    left = order[count:][min(gone, len(order) - count) :]
    may = [d for d in left if d in ranking({**rungs.reached[0], d: (rungs.reached[0][d][0] - noise,)})[:count]]
    assert rungs._by_noise(0, left, count) == may[:1]


def test_the_order_follows_who_arrives() -> None:
    rungs = ladder()
    for name, cost in (("a", 2.0), ("b", 1.0), ("c", 0.0)):
        rungs.learn(name, 0, (cost,))
        assert rungs.order(0)[0] == name
    rungs.learn("a", 0, (-1.0,))
    assert rungs.order(0) == rungs.ranked() == ["a", "c", "b"]


@given(st.sets(st.integers(0, 30), min_size=1, max_size=12), st.data())
def test_what_a_point_of_two_objectives_adds_is_its_hypervolume(across: set[int], data: st.DataObject) -> None:
    xs = sorted(across)
    ys = sorted(data.draw(st.sets(st.integers(0, 30), min_size=len(xs), max_size=len(xs))), reverse=True)
    scaled = [
        ((x - xs[0]) / max(xs[-1] - xs[0], 1), (y - ys[-1]) / max(ys[0] - ys[-1], 1))
        for x, y in zip(xs, ys, strict=True)
    ]
    points = data.draw(st.permutations(scaled + scaled[1:2]))  # one may be there twice
    assert _adds_of_two(points) == pytest.approx(_adds(points), abs=1e-12)
