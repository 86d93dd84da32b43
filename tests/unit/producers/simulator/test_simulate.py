"""The simulated world keeps its promises; what is told of it ends in its truth."""

import json
from collections import defaultdict
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from corridor.models import Itinerary, TrackingEvent
from corridor.network import corridors
from producers.replay.lines import parse
from producers.replay.ordering import Sorter
from producers.replay.record import Record, to_line, to_time
from producers.simulator.geography import UnknownCorridor
from producers.simulator.simulate import Parameters, Replay, simulate
from tests.unit.producers.simulator.kernel import Kernel, true_fates

CORRIDORS = [corridor.corridor_id for corridor in corridors.corridors()]
Row = dict[str, Any]


@cache
def simulated(
    corridor_id: str, shipments: int = 40, seed: int = 1, noise: str = "normal", loss: float = 0.0
) -> tuple[tuple[Record, ...], tuple[Row, ...]]:
    sorter = Sorter()
    lines: list[bytes] = []
    parameters = Parameters(corridor_id, shipments, seed, noise=noise, loss=loss, days=60)
    simulate(parameters, Replay(sorter), lines.append)
    return tuple(sorter.sorted()), tuple(json.loads(line) for line in lines)


def rows(corridor_id: str, kind: str, **options: Any) -> list[Row]:
    return [row for row in simulated(corridor_id, **options)[1] if row["kind"] == kind]


def events(corridor_id: str, **options: Any) -> list[Row]:
    return [
        json.loads(record.value)
        for record in simulated(corridor_id, **options)[0]
        if not record.is_itinerary
    ]


def itineraries(corridor_id: str, **options: Any) -> list[Row]:
    return [
        json.loads(record.value)
        for record in simulated(corridor_id, **options)[0]
        if record.is_itinerary
    ]


@pytest.mark.parametrize("noise", ["none", "normal", "harsh"])
@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_what_is_told_ends_in_the_truth(corridor_id: str, noise: str) -> None:
    kernel = Kernel()
    for record in simulated(corridor_id, 20, noise=noise)[0]:
        if isinstance(parse(to_line(record).strip(), "simulated", 1), Record):
            model = Itinerary if record.is_itinerary else TrackingEvent
            kernel.take(model.model_validate_json(record.value), to_time(record.available))
    truth = true_fates(rows(corridor_id, "unit_leg", shipments=20, noise=noise))
    assert truth
    assert kernel.fates() == truth


def test_the_same_seed_gives_the_same_bytes() -> None:
    simulated.cache_clear()
    first = simulated("ILSTC", 30)
    simulated.cache_clear()
    assert simulated("ILSTC", 30) == first


def test_another_seed_gives_another_history() -> None:
    assert simulated("ILSTC", seed=1)[0] != simulated("ILSTC", seed=2)[0]


@pytest.mark.parametrize("kind", ["unit_leg", "run", "cause", "connection"])
def test_noise_does_not_change_what_happens(kind: str) -> None:
    assert rows("ILSTC", kind, noise="none") == rows("ILSTC", kind, noise="harsh")


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_every_leg_of_every_plan_has_a_truth(corridor_id: str) -> None:
    planned = {
        (plan["unit_id"], plan["shipment_id"], leg["sequence"])
        for plan in itineraries(corridor_id)
        for leg in plan["legs"]
    }
    truth = [
        (row["unit_id"], row["shipment_id"], row["sequence"])
        for row in rows(corridor_id, "unit_leg")
    ]
    assert sorted(truth) == sorted(planned)


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_every_arrival_was_told(corridor_id: str) -> None:
    told = {
        (event["run_id"], event["node_id"], event["code"])
        for event in events(corridor_id)
        if event["event_type"] == "TRANSPORT"
        and event["classifier"] == "ACTUAL"
        and "node_id" in event
    }
    for row in rows(corridor_id, "unit_leg"):
        if row["ending"] == "ARRIVED":
            leg = corridors.leg(row["leg_id"])
            assert leg is not None
            assert (row["run_id"], leg.from_node, "DEPARTED") in told
            assert (row["run_id"], leg.to_node, "ARRIVED") in told


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_no_run_carries_more_than_it_can(corridor_id: str) -> None:
    assert [
        row["run_id"] for row in rows(corridor_id, "run") if len(row["units"]) > row["capacity"]
    ] == []


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_all_units_of_a_run_share_its_fate(corridor_id: str) -> None:
    times = {
        (row["run_id"], row["leg_id"]): (row["actual_departure"], row["actual_arrival"])
        for row in rows(corridor_id, "run")
    }
    for row in rows(corridor_id, "unit_leg"):
        if row["ending"] == "ARRIVED":
            shared = times[row["run_id"], row["leg_id"]]
            assert (row["actual_departure"], row["actual_arrival"]) == shared


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_a_unit_moves_forward_in_time(corridor_id: str) -> None:
    journeys = defaultdict(list)
    for row in rows(corridor_id, "unit_leg"):
        journeys[row["unit_id"], row["shipment_id"]].append(row)
    for legs in journeys.values():
        for leg in legs:
            if leg["ending"] == "ARRIVED":
                assert leg["actual_departure"] < leg["actual_arrival"]
        for before, after in pairwise(legs):
            if before["actual_arrival"] and after["actual_departure"]:
                assert before["actual_arrival"] < after["actual_departure"]


def test_messages_are_in_order_of_availability() -> None:
    times = [record.available for record in simulated("CRE")[0]]
    assert times == sorted(times)


def test_without_noise_nothing_is_told_before_it_has_happened() -> None:
    for record in simulated("ILSTC", noise="none")[0]:
        if not record.is_itinerary:
            event = json.loads(record.value)
            if event["classifier"] == "ACTUAL":
                assert datetime.fromisoformat(event["event_time"]) <= to_time(record.available)


def test_without_noise_nothing_is_said_twice() -> None:
    names = [(event["source"], event["event_id"]) for event in events("YANGTZE", noise="none")]
    assert len(names) == len(set(names))


def test_versions_of_a_plan_follow_each_other() -> None:
    versions = defaultdict(list)
    for plan in itineraries("CRE", noise="none"):
        versions[plan["unit_id"], plan["shipment_id"]].append(plan["version"])
    assert any(len(told) > 1 for told in versions.values())
    for told in versions.values():
        assert sorted(told) == list(range(1, len(told) + 1))


def test_each_missed_connection_has_a_cause_that_delays_the_unit() -> None:
    causes = {row["cause_id"]: row for row in rows("CRE", "cause")}
    delayed = {
        (effect["unit_id"], effect["leg_id"])
        for cause in causes.values()
        if cause["cause"] == "MISSED_CONNECTION"
        for effect in cause["units"]
    }
    missed = {
        (row["unit_id"], row["leg_id"]) for row in rows("CRE", "connection") if not row["made"]
    }
    assert missed
    assert missed <= delayed


def test_causes_of_legs_and_runs_are_known_with_the_same_seconds() -> None:
    causes = {row["cause_id"]: row for row in rows("ILSTC", "cause")}
    for row in rows("ILSTC", "run"):
        for cost in row["causes"]:
            effect = {"run_id": row["run_id"], "leg_id": row["leg_id"], "seconds": cost["seconds"]}
            assert effect in causes[cost["cause_id"]]["runs"]
    for row in rows("ILSTC", "unit_leg"):
        for cost in row["causes"]:
            assert cost["cause_id"] in causes


def test_parents_of_causes_are_causes() -> None:
    causes = {row["cause_id"] for row in rows("CRE", "cause")}
    parents = {row["parent"] for row in rows("CRE", "cause")} - {None}
    assert parents
    assert parents <= causes


def test_the_oracle_is_nearer_than_the_timetable() -> None:
    def error(column: str) -> float:
        return sum(
            abs(seconds(row["actual_arrival"]) - seconds(_at(row, column)))
            for row in rows("YANGTZE", "run")
            if row["ending"] == "ARRIVED"
        )

    assert error("oracle") < 0.7 * error("planned_arrival")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _at(row: Row, column: str) -> str:
    value = row[column]
    return str(value["p50"] if isinstance(value, dict) else value)


def test_loss_takes_statements_away_and_nothing_else() -> None:
    whole = {event["event_id"] for event in events("ILSTC", noise="none")}
    lossy = {event["event_id"] for event in events("ILSTC", noise="none", loss=0.2)}
    assert lossy < whole
    assert 0.7 < len(lossy) / len(whole) < 0.9
    assert itineraries("ILSTC", noise="none") == itineraries("ILSTC", noise="none", loss=0.2)


def test_spoiled_messages_are_those_that_the_truth_names() -> None:
    spoiled = {(row["source"], row["event_id"]) for row in rows("ILSTC", "spoiled", noise="harsh")}
    assert spoiled == {
        (event["source"], event["event_id"])
        for event in events("ILSTC", noise="harsh")
        if event["event_id"].endswith("/spoiled")
    }


def test_boxes_are_reused_only_after_their_last_journey() -> None:
    shipments: dict[str, set[str]] = defaultdict(set)
    ended: dict[str, str] = {}
    for row in rows("ILSTC", "unit_leg", shipments=220):
        known = shipments[row["unit_id"]]
        if known and row["shipment_id"] not in known:
            assert row["actual_departure"] > ended[row["unit_id"]]
        known.add(row["shipment_id"])
        ended[row["unit_id"]] = row["actual_arrival"] or ""
    assert any(len(known) > 1 for known in shipments.values())


def test_silence_is_silent() -> None:
    silences = rows("CRE", "silence", noise="harsh")
    assert silences
    heard = defaultdict(list)
    for event in events("CRE", noise="harsh"):
        if event["code"] == "BREADCRUMB":
            heard[event.get("unit_id")].append(event["event_time"])
    for silence in silences:
        times = heard[silence["unit_id"]]
        assert not [time for time in times if silence["begins"] < time < silence["ends"]]


def test_an_unknown_corridor_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownCorridor, match="no corridor NOWHERE; there are"):
        simulate(Parameters("NOWHERE", 1, 1), Replay(Sorter()), lambda line: None)
