"""The training loop by itself, on a line to be fitted."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import TrialFailed
from nas.models.measurement_lock import MeasurementLock
from nas.studies.records import Progress
from nas.tasks import training
from nas.tasks.training import Average, Measure, Training, milestones, order, rate
from tests.tasks.tiny import spec

STEPS = 200


def nothing(lock: MeasurementLock) -> dict[str, float | None]:
    return {}


@pytest.mark.parametrize("schedule", ["one_cycle", "constant"])
def test_the_rate_rises_first_then_follows_its_schedule(schedule: str) -> None:
    rates = [rate(spec(schedule=schedule), step, STEPS) for step in range(STEPS)]
    risen = int(STEPS * training.WARM_UP) if schedule == "one_cycle" else training.WARM_UP_STEPS
    assert rates[:risen] == sorted(rates[:risen])
    assert rates[0] < 0.05
    assert max(rates) <= 1
    assert rates[risen] == pytest.approx(1, abs=0.001)
    after = rates[risen:]
    if schedule == "constant":
        assert set(after) == {1.0}
    else:
        assert after == sorted(after, reverse=True)
        assert after[-1] < 0.001


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_even_the_shortest_run_learns(steps: int) -> None:
    assert all(0 < rate(spec(), step, steps) <= 1 for step in range(steps))


def test_an_epoch_takes_each_image_once_in_one_of_its_views() -> None:
    batches = list(order(20, 3, 5, seed=0, epoch=1))
    assert [len(b) for b in batches] == [5] * 4
    rows = np.concatenate(batches)
    assert sorted(rows % 20) == list(range(20))
    assert set(rows // 20) == {0, 1, 2}


def test_a_rest_is_left_out_and_a_small_data_set_is_one_batch() -> None:
    assert [len(b) for b in order(22, 1, 5, 0, 1)] == [5] * 4
    assert [len(b) for b in order(3, 1, 5, 0, 1)] == [3]


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def rows(seed: int, epoch: int) -> list[int]:
        torch.rand(3)
        return np.concatenate(list(order(20, 2, 5, seed, epoch))).tolist()

    assert rows(0, 1) == rows(0, 1)
    assert len({tuple(rows(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


class Line(nn.Module):
    """y = wx, to become 3x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.seen: list[NDArray[np.int64]] = []

    def loss(self, index: NDArray[np.int64]) -> Tensor:
        self.seen.append(index)
        x = torch.from_numpy(index / 32).float()
        return ((self.w * x - 3 * x) ** 2).mean()


def fit(line: Line, epochs: int, measure: Measure = nothing, **changes: object) -> list[Progress]:
    told = spec(lr=0.2, weight_decay=0.0, views=1, **changes)
    return list(Training(told, [(1.0, [line.w])], [], 32, line.loss, measure, 0, epochs).run())


def test_it_learns_and_tells_an_epoch_at_a_time() -> None:
    line = Line()
    progress = fit(line, 20)
    assert line.w.item() == pytest.approx(3, abs=0.2)
    assert [(p.epoch, p.epochs) for p in progress] == [(k, 20) for k in range(1, 21)]
    assert len(line.seen) == 20 * 4
    losses = [p.metrics["loss"] for p in progress]
    assert losses[-1] < losses[0] / 10
    assert [p.seconds for p in progress] == sorted(p.seconds for p in progress)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, [1]), (3, [3]), (4, [4]), (5, [4, 5]), (10, [4, 6, 8, 10]), (40, [4, 6, 8, 11, 16, 23, 32, 40])],
)
def test_metrics_are_taken_twice_an_octave_and_at_the_end(epochs: int, expected: list[int]) -> None:
    progress = fit(Line(), epochs, lambda lock: {"ap": 0.5})
    assert [p.epoch for p in progress if "ap" in p.metrics] == expected == milestones(epochs)
    assert all(math.isfinite(p.metrics["loss"]) for p in progress)


def test_at_a_constant_rate_a_run_is_the_start_of_a_longer_one() -> None:
    def weights(epochs: int) -> list[float]:
        line = Line()
        seen: list[float] = []
        fit(line, epochs, lambda lock: seen.append(line.w.item()) or {}, schedule="constant", average=0.1)
        return seen

    short, long = weights(6), weights(20)
    assert len(short) == 2
    assert short == long[:2]


def test_what_is_measured_and_kept_is_the_average() -> None:
    seen: list[float] = []

    def run(average: float) -> float:
        line = Line()
        fit(line, 8, lambda lock: seen.append(line.w.item()) or {}, average=average)
        assert seen[-1] == line.w.item()
        return line.w.item()

    assert run(0.9) < run(0.3) < run(0.0)  # the longer the average, the more it holds of the start, which was zero


def test_an_average_takes_in_what_it_is_told_by_a_power_law() -> None:
    x = torch.zeros(1)
    average = Average([x, torch.ones(1, dtype=torch.long)], 0.25)
    values, weights = [], []
    for step in range(1, 41):
        x.fill_(math.sin(step))
        average.update()
        values.append(math.sin(step))
        weights = [w * (1 - min(1.0, 4 / step)) for w in weights] + [min(1.0, 4 / step)]
    assert sum(weights) == pytest.approx(1)
    assert weights[39] / weights[19] == pytest.approx(2**3, rel=0.3)  # as s^(1/part - 1)
    average.swap()
    assert x.item() == pytest.approx(sum(w * v for w, v in zip(weights, values, strict=True)), abs=1e-5)
    average.swap()
    assert x.item() == pytest.approx(values[-1])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_fails_the_trial_with_a_sentence(value: float) -> None:
    line = Line()

    def loss(index: NDArray[np.int64]) -> Tensor:
        return line.loss(index) * (value if len(line.seen) >= 6 else 1)

    progress = Training(spec(views=1), [(1.0, [line.w])], [], 32, loss, nothing, 0, 3).run()
    assert next(progress).epoch == 1
    with pytest.raises(TrialFailed, match=rf"^the loss became {value} in epoch 2 \(step 6\); try a lower task\.lr$"):
        next(progress)
    assert line.w.isfinite()


def test_gradients_are_clipped() -> None:
    line = Line()
    scaled = 1e12
    told = spec(lr=0.1, weight_decay=0.0, views=1)
    list(Training(told, [(1.0, [line.w])], [], 32, lambda index: line.loss(index) * scaled, nothing, 0, 1).run())
    assert line.w.grad.norm() <= training.MAX_NORM * 1.001


def test_closing_ends_the_training() -> None:
    line = Line()
    progress = Training(spec(views=1), [(1.0, [line.w])], [], 32, line.loss, nothing, 0, 5).run()
    next(progress)
    progress.close()
    assert len(line.seen) == 4
    assert list(progress) == []


def test_each_group_has_its_part_of_the_rate_and_an_empty_one_is_no_group() -> None:
    quick, slow = Line(), Line()
    told = spec(lr=0.01, weight_decay=0.0, views=1)
    groups = [(0.1, [slow.w]), (1.0, [quick.w]), (1.0, [])]
    list(Training(told, groups, [], 32, lambda index: quick.loss(index) + slow.loss(index), nothing, 0, 1).run())
    # The first steps of Adam are as long as the rate.
    assert slow.w.item() == pytest.approx(0.1 * quick.w.item(), rel=0.05)
    assert slow.w.item() > 0


@pytest.mark.parametrize("changes", [{}, {"average": 0.0}, {"schedule": "one_cycle"}], ids=str)
@pytest.mark.parametrize("left", [0, 1, 6, 15, 16, 18])
def test_a_run_that_was_left_goes_on_bit_for_bit(left: int, changes: dict[str, object], tmp_path: Path) -> None:
    """Left before step `left` of 4 x 5: within an epoch, at its end, and right after metrics were taken."""
    told = spec(lr=0.2, weight_decay=0.1, views=2, **changes)

    def training(line: Line) -> Training:
        return Training(told, [(1.0, [line.w])], [], 32, line.loss, lambda lock: {"ap": line.w.item()}, 0, 5)

    def pause() -> None:
        if len(first.seen) == left:
            raise KeyboardInterrupt

    whole, first, second = Line(), Line(), Line()
    expected = [p.metrics for p in training(whole).run()]
    run, found = training(first), []
    with pytest.raises(KeyboardInterrupt):
        found.extend(p.metrics for p in run.run(pause))
    assert len(found) == left // 4
    torch.save({"w": first.w.detach(), "run": run.state_dict()}, tmp_path / "state")
    state = torch.load(tmp_path / "state", weights_only=True)
    second.w.data.copy_(state["w"])
    again = training(second)
    again.load_state_dict(state["run"])
    assert found + [p.metrics for p in again.run()] == expected
    assert torch.equal(second.w, whole.w)
    assert list(again.run()) == []


def test_chance_goes_on_where_it_was() -> None:
    """What a loss draws is a matter of the run's seed and step, whoever has drawn from the generator before."""

    def drawn(seed: int, pauses: int) -> list[float]:
        line, generator, found = Line(), torch.Generator(), list[float]()

        def loss(index: NDArray[np.int64]) -> Tensor:
            found.append(float(torch.rand((), generator=generator)))
            return line.loss(index)

        def training() -> Training:
            return Training(spec(), [(1.0, [line.w])], [], 32, loss, lambda lock: {}, seed, 2, generator)

        def pause() -> None:
            if len(found) == pauses:
                raise KeyboardInterrupt

        run = training()
        with suppress(KeyboardInterrupt):
            list(run.run(pause))
        state = run.state_dict()
        run = training()
        run.load_state_dict(state)
        list(run.run())
        return found

    assert drawn(0, pauses=5) == drawn(0, pauses=-1)
    assert drawn(0, pauses=-1) != drawn(1, pauses=-1)


def test_what_ends_a_measurement_leaves_the_weights_as_they_were_trained() -> None:
    told = spec(lr=0.2, weight_decay=0.0, views=1, average=0.5)
    measured, plain = Line(), Line()

    def interrupt(lock: MeasurementLock) -> dict[str, float | None]:
        raise KeyboardInterrupt

    def pause() -> None:
        if len(plain.seen) == 16:  # the steps of the four epochs before metrics are taken
            raise KeyboardInterrupt

    for line, measure in ((measured, interrupt), (plain, nothing)):
        run = Training(told, [(1.0, [line.w])], [], 32, line.loss, measure, 0, 6)
        with pytest.raises(KeyboardInterrupt):
            list(run.run(pause))
    assert torch.equal(measured.w, plain.w)
