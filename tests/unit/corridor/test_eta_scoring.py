"""Scores count each run once per moment, by what could be known then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from corridor.eta.figures import figures
from corridor.eta.scoring import POINTS, Scorer, Scores
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


Said = tuple[LegEstimate | LegOutcome, float]


def scores(*said: Said, since: datetime | None = None) -> Scores:
    scorer = Scorer(since)
    for output, heard in said:
        scorer.hear(output, START + heard * HOUR)
    return scorer.scores()


def scored(*said: Said) -> dict[str, dict[str, Any]]:
    found = scores(*said)
    return {point: figures(found.point(point)) for point in POINTS}


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
    assert found["departure"]["n"] == 0


def test_a_leg_without_statements_is_not_scored() -> None:
    assert scored((outcome(12), 12))["departure"]["n"] == 0


def test_coverage_is_the_share_of_arrivals_inside() -> None:
    inside = scored((estimate(1, 11), 1), (outcome(13.9), 13.9))["departure"]
    outside = scored((estimate(1, 11), 1), (outcome(14.1), 14.1))["departure"]
    assert (inside["coverage_90"], outside["coverage_90"]) == (1, 0)
    assert inside["width_90_minutes"] == pytest.approx(360)


def test_lateness_is_foretold_by_the_share_of_the_distribution_beyond_it() -> None:
    row = scores((estimate(1, 11), 1), (outcome(12), 12)).point("departure")
    assert (row["late"][0], row["late_probability"][0]) == (1, pytest.approx(0.5))


def wagon(number: int, hours: float, eta: float, **values: Any) -> LegEstimate:
    return estimate(hours, eta, unit_id=f"wagon {number}", run_id="train", **values)


def arrived(number: int, arrival: float, **values: Any) -> LegOutcome:
    return outcome(arrival, unit_id=f"wagon {number}", run_id="train", **values)


def test_the_wagons_of_a_train_count_once() -> None:
    said = [(wagon(n, 1, 11 + n), 1.0) for n in range(50)]
    found = scored(*said, *((arrived(n, 12), 12.0) for n in range(50)))
    assert (found["departure"]["n"], found["departure"]["mae_minutes"]) == (1, 60)


def test_a_train_is_corrected_by_the_wagon_that_spoke_for_it() -> None:
    said = [(wagon(n, 1, 11), 1.0) for n in range(2)]
    outcomes = [(arrived(n, 12), 12.0) for n in range(2)]
    found = scored(*said, *outcomes, (arrived(0, 13, updated_time=START + 20 * HOUR), 20))
    assert (found["departure"]["n"], found["departure"]["mae_minutes"]) == (1, 120)


def test_a_run_that_left_without_the_unit_is_not_its_departure() -> None:
    left = estimate(1, 11, run_id="missed")
    taken = estimate(4, 14, run_id="taken", actual_departure=START + 4 * HOUR)
    came = outcome(14, run_id="taken", actual_departure=START + 4 * HOUR)
    found = scored((left, 1), (taken, 4), (came, 14))
    assert (found["departure"]["n"], found["departure"]["mae_minutes"]) == (1, 0)


SECOND: dict[str, Any] = {
    "leg_id": "B-C.RAIL",
    "sequence": 2,
    "planned_departure": START + 12 * HOUR,
    "planned_arrival": START + 20 * HOUR,
    "actual_departure": None,
}


def journey(**values: Any) -> list[Said]:
    """The first leg leaves an hour late and arrives when said; the second follows its plan."""
    came = SECOND | {"actual_departure": START + 12 * HOUR}
    return [
        (estimate(-9, 10, "PLANNED"), -9),
        (estimate(-9, 20, "PLANNED", **(SECOND | values)), -9),
        (estimate(1, 11), 1),
        (outcome(11), 11),
        (outcome(20, **came), 20),
    ]


def test_a_later_leg_is_scored_as_it_was_seen_when_the_first_one_departed() -> None:
    found = scored(*journey())["downstream"]
    assert (found["n"], found["mae_minutes"]) == (1, 0)


def test_carrying_a_delay_over_uses_no_slack_and_knowing_it_does() -> None:
    found = scored(*journey())["downstream"]
    assert found["persistence_mae_minutes"] == 60
    assert found["slack_aware_mae_minutes"] == 0


def test_before_the_first_day_it_only_learns() -> None:
    said = ((estimate(1, 11), 1.0), (outcome(12), 12.0))
    assert len(scores(*said, since=START).point("departure")) == 1
    assert len(scores(*said, since=START + 24 * HOUR).point("departure")) == 0


def test_what_is_final_is_forgotten_and_counted() -> None:
    scorer = Scorer()
    for day in range(400):
        begin = START + day * 24 * HOUR
        names = {"unit_id": f"U {day}"}
        times: dict[str, Any] = {
            "planned_departure": begin,
            "planned_arrival": begin + 10 * HOUR,
            "actual_departure": begin + HOUR,
        }
        scorer.hear(estimate(24 * day + 1, 24 * day + 11, **names, **times), begin + HOUR)
        arrival = {"actual_arrival": begin + 12 * HOUR}
        scorer.hear(outcome(12, **names, **times, **arrival), begin + 12 * HOUR)
    scorer.let_go(START + 399 * 24 * HOUR)
    assert scorer.followed_journeys < 20
    assert len(scorer.scores().point("departure")) == 400


# connections -----------------------------------------------------------------------------------


class Connected(LegEstimate):
    missed_probability: float | None = None


def onward(run: str, left_by: str | None, left: float, missed: float = 0.7) -> np.ndarray[Any, Any]:
    """What is scored of a connection to `run` at hour 40 that closes at hour 34."""
    plan = SECOND | {"planned_departure": START + 40 * HOUR, "planned_arrival": START + 50 * HOUR}
    fields = estimate(1, 50, "PLANNED", **plan, run_id=run).model_dump()
    said = Connected.model_validate(fields | {"missed_probability": missed})
    scorer = Scorer()
    scorer.plan("U", "S", 2, START + 40 * HOUR, START + 34 * HOUR)
    scorer.hear(said, START + HOUR)
    came = plan | {"actual_departure": START + left * HOUR, "run_id": left_by}
    scorer.hear(outcome(left + 10, **came), START + (left + 10) * HOUR)
    return scorer.scores().connections()


def test_who_left_by_a_later_run_has_missed_its_connection() -> None:
    row = onward("planned", "later", 60)
    assert (row["missed"][0], row["missed_probability"][0]) == (1, pytest.approx(0.7))


def test_who_left_late_but_as_planned_has_not() -> None:
    assert onward("planned", "planned", 45)["missed"].tolist() == [0]


def test_a_connection_counts_only_by_what_was_said_half_a_day_before_it_closed() -> None:
    scorer = Scorer()
    plan = SECOND | {"planned_departure": START + 12 * HOUR}
    fields = estimate(1, 20, "PLANNED", **plan, run_id="R").model_dump()
    scorer.hear(Connected.model_validate(fields | {"missed_probability": 0.5}), START + HOUR)
    came = plan | {"actual_departure": START + 12 * HOUR, "run_id": "R"}
    scorer.hear(outcome(20, **came), START + 20 * HOUR)
    assert len(scorer.scores().connections()) == 0


# what was said all along -----------------------------------------------------------------------


def test_an_eta_that_goes_to_and_fro_is_told_from_one_that_goes_straight() -> None:
    said = [(estimate(hour, eta), float(hour)) for hour, eta in ((1, 11), (2, 13), (3, 12))]
    row = scores(*said, (outcome(12), 12)).followed()
    assert (row["updates"][0], row["reversals"][0], row["moved"][0], row["net"][0]) == (
        *(2, 1),
        *(180, 60),
    )


def test_the_lead_of_a_call_is_counted_until_it_was_late() -> None:
    row = scores((estimate(1, 10), 1), (estimate(5, 11.5), 5), (outcome(12), 12)).followed()
    assert (row["late"][0], row["lead"][0]) == (1, 6 * 60)  # late by rail: an hour, at hour 11
