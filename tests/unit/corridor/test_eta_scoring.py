"""Scores count each leg once per moment, by what could be known then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corridor.eta.scoring import Scorer, alerts, figures, groups
from corridor.models import LegEstimate, LegOutcome

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEVELS = ("05", "10", "25", "50", "75", "90", "95")
LEG: dict[str, Any] = {
    "unit_id": "U",
    "shipment_id": "S",
    "corridor_id": "C",
    "leg_id": "A-B.RAIL",
    "sequence": 1,
    "mode": "RAIL",
    "from_node": "A",
    "to_node": "B",
    "planned_departure": START,
    "planned_arrival": START + 10 * HOUR,
}


def estimate(hours: float, eta: float, stage: str = "EN_ROUTE", **values: Any) -> LegEstimate:
    spread = {
        f"eta_p{level}": START + (eta + off) * HOUR
        for level, off in (
            ("05", -3),
            ("10", -2),
            ("25", -1),
            ("50", 0),
            ("75", 1),
            ("90", 2),
            ("95", 3),
        )
    }
    departed = {"actual_departure": START + HOUR} if stage == "EN_ROUTE" else {}
    return LegEstimate.model_validate(
        LEG
        | spread
        | departed
        | {
            "estimate_id": f"{stage} {hours}",
            "stage": stage,
            "evidence": "X",
            "model_version": "X",
            "as_of": START + hours * HOUR,
            "caused_by": "x",
        }
        | values
    )


def outcome(arrival: float, **values: Any) -> LegOutcome:
    return LegOutcome.model_validate(
        LEG
        | {
            "outcome_id": "o",
            "ending": "ARRIVED",
            "actual_departure": START + HOUR,
            "actual_arrival": START + arrival * HOUR,
            "predictions": [],
            "as_of": START + arrival * HOUR,
            "updated_time": START + arrival * HOUR,
            "caused_by": "x",
        }
        | values
    )


def scored(*said: tuple[LegEstimate | LegOutcome, float]) -> dict[str, dict[str, Any]]:
    scorer = Scorer()
    for output, heard in said:
        scorer.hear(output, START + heard * HOUR)
    return {point: figures(legs) for point, legs in scorer.points().items()}


def test_the_error_at_departure_is_that_of_the_first_statement_under_way() -> None:
    found = scored((estimate(1, 11), 1), (estimate(5, 12), 5), (outcome(12), 12))
    departure = found["departure"]
    assert (departure["n"], departure["mae_minutes"]) == (1, 60)
    assert departure["timetable_mae_minutes"] == 120
    assert departure["persistence_mae_minutes"] == 60


def test_progress_counts_what_was_said_last() -> None:
    found = scored((estimate(1, 11), 1), (estimate(5, 12), 5), (outcome(12), 12))
    assert found["progress_25"]["mae_minutes"] == 60  # at 3.5 h
    assert found["progress_50"]["mae_minutes"] == 0  # at 6 h


def test_what_became_known_later_does_not_count_before() -> None:
    found = scored((estimate(1, 11), 1), (estimate(5, 12), 8), (outcome(12), 12))
    assert found["progress_50"]["mae_minutes"] == 60


def test_before_departure_the_last_plan_counts() -> None:
    found = scored((estimate(-24, 10, "PLANNED"), -24), (estimate(1, 11), 1), (outcome(12), 12))
    assert found["before_2h"]["mae_minutes"] == 120


def test_a_corrected_outcome_replaces_the_first_one() -> None:
    corrected = outcome(13, updated_time=START + 20 * HOUR)
    found = scored((estimate(1, 11), 1), (outcome(12), 12), (corrected, 20))
    assert (found["departure"]["n"], found["departure"]["mae_minutes"]) == (1, 120)


def test_an_outcome_that_is_taken_back_counts_no_more() -> None:
    found = scored((estimate(1, 11), 1), (outcome(12), 12), (outcome(12, retracted=True), 20))
    assert found["departure"] == {"n": 0}


def test_coverage_is_the_share_of_arrivals_inside() -> None:
    inside = scored((estimate(1, 11), 1), (outcome(13.9), 13.9))["departure"]
    outside = scored((estimate(1, 11), 1), (outcome(14.1), 14.1))["departure"]
    assert (inside["coverage_90"], outside["coverage_90"]) == (1, 0)
    assert inside["width_90_minutes"] == pytest.approx(360)


def test_lateness_is_foretold_by_the_share_of_the_distribution_beyond_it() -> None:
    scorer = Scorer()
    scorer.hear(estimate(1, 11), START + HOUR)
    scorer.hear(outcome(12), START + 12 * HOUR)
    found = alerts(scorer.points()["departure"])
    assert (found["late_share"], found["brier"]) == (1, pytest.approx(0.25))


def test_a_leg_without_statements_is_not_scored() -> None:
    assert scored((outcome(12), 12))["departure"] == {"n": 0}


def test_groups_name_every_mode_and_delay() -> None:
    scorer = Scorer()
    scorer.hear(estimate(1, 11), START + HOUR)
    scorer.hear(outcome(12), START + 12 * HOUR)
    found = groups(scorer.points()["departure"])
    assert (list(found["mode"]), list(found["delay"])) == (["RAIL"], ["15 to 60 min"])
