"""Figures are what a statistician would compute by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from corridor.eta.figures import calls, figures, groups, report, stability, uncertainty
from corridor.eta.scoring import FOLLOWED, POINTS, SCORED, Scorer, Scores, Table

SCORES = Scores({}, ["A-B"], ["carrier"])
SPREAD = np.array([-30, -20, -10, 0, 10, 20, 30.0])


def rows(errors: list[float], persistence: float = 20.0, days: int = 1) -> Table:
    """Runs that arrived so many minutes after they were said to, with +-30 min around the ETA."""
    table = np.zeros(len(errors), SCORED)
    table["quantiles"] = SPREAD - np.array(errors)[:, None]
    table["persistence"] = persistence
    table["day"] = np.arange(len(errors)) % days
    return table


def test_every_figure_is_there_when_nothing_was_scored() -> None:
    found = report(Scorer().scores())
    full = figures(rows([1.0])) | uncertainty(rows([1.0]))
    for point in POINTS:
        assert set(found["points"][point]) == set(full)
        assert found["points"][point]["n"] == 0


def test_errors_are_positive_when_the_arrival_was_later() -> None:
    assert figures(rows([10.0, 20.0]))["bias_minutes"] == 15


def test_the_mean_error_is_held_against_that_of_others() -> None:
    found = figures(rows([10.0, -10.0]))
    assert (found["mae_minutes"], found["ratio_to_persistence"]) == (10, 0.5)


def test_what_lies_on_the_edge_of_an_interval_is_inside() -> None:
    assert figures(rows([30.0]))["coverage_90"] == 1
    assert figures(rows([30.5]))["coverage_90"] == 0


def test_the_interval_score_punishes_what_lies_outside() -> None:
    assert figures(rows([40.0]))["interval_score_90_minutes"] == 60 + 20 * 10


def test_the_pinball_loss_is_half_the_error_of_a_median() -> None:
    table = rows([0.0])
    table["quantiles"] = -12.0  # every level says the same, 12 min too early
    assert figures(table)["pinball_minutes"] == pytest.approx(6)


def test_without_intervals_there_is_no_coverage() -> None:
    table = rows([1.0])
    table["quantiles"][:, [0, 1, 2, 4, 5, 6]] = np.nan
    found = figures(table)
    assert (found["coverage_90"], found["stated"], found["mae_minutes"]) == (None, 0, 1)


def test_the_interval_of_a_mean_is_wider_when_days_differ() -> None:
    alike = uncertainty(rows([10.0, 20.0] * 50, days=50))["mae_ci95_minutes"]
    table = rows([10.0, 20.0] * 50, days=50)
    table["day"] = np.repeat(np.arange(10), 10)
    table["quantiles"] = SPREAD - np.repeat(np.linspace(1, 29, 10), 10)[:, None]
    differ = uncertainty(table)["mae_ci95_minutes"]
    assert differ[1] - differ[0] > alike[1] - alike[0]


def test_the_interval_holds_the_mean() -> None:
    low, high = uncertainty(rows([float(n) for n in range(100)], days=20))["mae_ci95_minutes"]
    assert low < 49.5 < high


def test_groups_name_every_mode_and_delay() -> None:
    found = groups(rows([1.0]), SCORES)
    assert (list(found["mode"]), list(found["delay"])) == (["RAIL"], ["early or on time"])


def test_only_large_groups_can_be_the_worst() -> None:
    table = rows([0.0] * 200 + [100.0] * 199)
    table["carrier"][200:] = 1
    found = groups(table, Scores({}, ["A-B"], ["good", "small"]))
    assert found["worst"]["carrier"] == {"name": "good", "coverage_90": 1}
    assert list(found["carrier"]) == ["good"]


def array(*values: float) -> NDArray[Any]:
    return np.array(values)


def test_precision_and_recall_count_what_is_called() -> None:
    found = calls(array(0.9, 0.6, 0.4, 0.1), array(1, 0, 1, 0))
    assert (found["precision"], found["recall"], found["f1"]) == (0.5, 0.5, 0.5)


def test_average_precision_is_the_area_under_the_curve() -> None:
    found = calls(array(0.9, 0.6, 0.4, 0.1), array(1, 0, 1, 0))
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_knowing_nothing_is_as_precise_as_the_share(truths: list[bool]) -> None:
    found = calls(np.full(len(truths), 0.3), np.array(truths, np.uint8))
    share = sum(truths) / len(truths)
    assert found["average_precision"] == (pytest.approx(share) if share else None)


def test_jitter_is_the_way_of_all_over_the_straight_way_of_all() -> None:
    table = np.zeros(2, FOLLOWED)
    table["moved"], table["net"] = [30, 10], [10, 10]
    assert stability(table)["jitter"] == 2
