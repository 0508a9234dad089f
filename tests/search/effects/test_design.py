"""Choices of necks as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search.effects.design import asked, design_of

SPACE = {"fusion": ("add", "mean"), "widths": ("shared", "level"), "width": (16, 32, 64), "levels": (2, 3, 4)}


@pytest.mark.parametrize(
    ("name", "values"),
    [("fusion", ["mean"]), ("width", [16, 64]), ("widths", ["level"]), ("levels", [3])],
)
def test_the_names_of_a_trial_mean_parameters(name: str, values: list[object]) -> None:
    row = {"fusion_of_add_mean": "mean", "widths": "level", "width_p3": 16, "width_p4": 64, "levels_of_2_3": 3}
    assert asked(row, name, SPACE) == values


def test_the_cells_of_a_free_graph_have_shares_of_a_choice() -> None:
    rows = [{"cell0_fusion": "add", "cell1_fusion": "mean"}, {"cell0_fusion": "add"}, {}]
    (fusion,) = design_of(rows, {"fusion": ("add", "mean")}).factors
    assert fusion.shares.tolist() == [[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]]


def test_widths_by_level_count_by_their_geometric_mean() -> None:
    rows = [{"width": 32}, {"width_p3": 16, "width_p4": 64}, {"width": 64}, {"width": 16}]
    (width,) = design_of(rows, {"width": (16, 32, 64)}).factors
    assert width.is_size
    assert width.slope[:, 0] == pytest.approx([0.0, 0.0, 1.0, -1.0])


def test_a_small_number_is_no_size() -> None:
    rows = [{"levels": k} for k in (2, 3, 4)]
    (levels,) = design_of(rows, {"levels": (2, 3, 4)}).factors
    assert not levels.is_size
    assert [q.choice for q in levels.questions] == [2, 3, 4]


def test_features_have_a_mean_variance_of_one() -> None:
    rng = np.random.default_rng(0)
    rows = [{"width": int(rng.choice((16, 32, 64))), "fusion": str(rng.choice(("add", "mean")))} for _ in range(20)]
    for features in design_of(rows, SPACE).background(()):
        assert ((features - features.mean(0)) ** 2).sum() / 20 == pytest.approx(1.0)
