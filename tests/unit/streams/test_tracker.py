"""What is told of a run or a document reaches every unit that it concerns, in any partition."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka.structs import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor import topics
from corridor.eta import lessons
from corridor.eta.estimator import Estimator
from corridor.eta.lessons import What
from corridor.models import Itinerary, TrackingEvent
from corridor.tracking.positions import PASS_ON_EVERY
from producers.batches import murmur2
from streams.emitter import Emitter, Record
from streams.state import PartitionState
from streams.tracker import Tracker
from tests.unit.corridor.journeys import learned

PARTITIONS = 3
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW_MS = int(START.timestamp() * 1000)


class Collector(Emitter):
    """Keeps what is emitted, per topic and partition."""

    async def start_once(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def _send(self, topic: str, partition: int, records: list[Record]) -> None:
        self.sent.setdefault((topic, partition), []).extend(records)

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[tuple[str, int], list[Record]] = {}


class Worker:
    """A tracker of all partitions, whose fan-out comes back to it as from Kafka."""

    def __init__(self) -> None:
        self.emitter = Collector()
        self.tracker = Tracker(self.emitter, PARTITIONS)
        self.tracker.partitions = {p: PartitionState() for p in range(PARTITIONS)}
        self.offsets: dict[tuple[str, int], int] = {}
        self.returned = [0] * PARTITIONS
        self.changelog: dict[int, dict[bytes, bytes]] = {}

    def take(self, message: Itinerary | TrackingEvent) -> None:
        if isinstance(message, Itinerary):
            topic, key = topics.ITINERARIES.name, message.unit_id.encode()
        else:
            topic, key = topics.CARRIER.name, message.subject.encode()
        partition = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
        self._apply(topic, partition, key, message.to_json())

    def _apply(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self._apply_all(topic, partition, [(key, value)])

    def _apply_all(self, topic: str, partition: int, batch: list[Record]) -> None:
        first = self.offsets.get((topic, partition), 0)
        self.offsets[topic, partition] = first + len(batch)
        records = [
            ConsumerRecord(
                topic, partition, offset, NOW_MS * 2, 0, key, value, None, len(key), len(value), ()
            )
            for offset, (key, value) in enumerate(batch, first)
        ]
        self.tracker.apply(topic, partition, records, NOW_MS)

    def fan_out(self) -> None:
        asyncio.run(self.emitter.flush())
        for partition in range(PARTITIONS):
            records = self.emitter.sent.get((topics.FANOUT.name, partition), [])
            for key, value in records[self.returned[partition] :]:
                self._apply(topics.FANOUT.name, partition, key, value)
            self.returned[partition] = len(records)
        asyncio.run(self.emitter.flush())

    def said(self, topic: str) -> list[dict[str, Any]]:
        return [
            json.loads(value)
            for (name, _), records in self.emitter.sent.items()
            if name == topic
            for _, value in records
        ]

    def outcomes(self) -> dict[tuple[str, int], tuple[Any, ...]]:
        """What holds of each finished leg: (ending, departure, arrival, run)."""
        held: dict[tuple[str, int], tuple[Any, ...]] = {}
        for outcome in self.said(topics.OUTCOMES.name):
            leg = (outcome["unit_id"], outcome["sequence"])
            if outcome.get("retracted"):
                held.pop(leg, None)
            else:
                held[leg] = (
                    outcome["ending"],
                    outcome.get("actual_departure"),
                    outcome.get("actual_arrival"),
                    outcome.get("run_id"),
                )
        return held


def itinerary(unit: str, run: str | None = "V1", version: int = 1, shipment: str = "") -> Itinerary:
    leg = {
        "leg_id": "A-C.VESSEL",
        "sequence": 1,
        "mode": "VESSEL",
        "from_node": "A",
        "to_node": "C",
        "run_id": run,
        "planned_departure": START,
        "planned_arrival": START + 100 * HOUR,
    }
    return Itinerary.model_validate(
        {
            "unit_id": unit,
            "shipment_id": shipment or f"S-{unit}",
            "corridor_id": "X",
            "version": version,
            "issued_time": START - 24 * HOUR + version * HOUR,
            "legs": [leg],
        }
    )


def told(
    code: str, node: str | None, hours: float, *, run: str | None = "V1", **values: Any
) -> TrackingEvent:
    kind = "EQUIPMENT" if code in ("LOADED", "DISCHARGED") else "TRANSPORT"
    return TrackingEvent.model_validate(
        {
            "event_id": f"{values.get('unit_id')}-{run}-{code}-{node}",
            "source": "line",
            "event_type": kind,
            "code": code,
            "event_time": START + hours * HOUR,
            "node_id": node,
            "run_id": run,
            **values,
        }
    )


UNITS = [f"U{n}" for n in range(20)]


def test_what_is_due_by_the_time_that_a_replay_has_told_is_done() -> None:
    worker = Worker()
    for unit in UNITS:
        worker.take(itinerary(unit))
    told_until = b"%d" % int((START + 24 * HOUR).timestamp() * 1e6)
    for partition in range(PARTITIONS):
        worker._apply(topics.FANOUT.name, partition, topics.TOLD_UNTIL, told_until)
    worker.fan_out()
    overdue = {e["unit_id"] for e in worker.said("legs.estimates") if e["stage"] == "OVERDUE"}
    assert overdue == set(UNITS)


def test_a_run_may_be_called_like_the_mark_of_a_replay() -> None:
    worker = Worker()
    worker.take(itinerary("U", run=topics.TOLD_UNTIL.decode()))
    worker.take(told("DEPARTED", "A", 2, run=topics.TOLD_UNTIL.decode()))
    worker.fan_out()
    assert [e["stage"] for e in worker.said("legs.estimates")][-1] == "EN_ROUTE"


def test_a_departure_of_the_vessel_is_one_of_every_box_aboard() -> None:
    worker = Worker()
    for unit in UNITS:
        worker.take(itinerary(unit))
    worker.take(told("DEPARTED", "A", 2))
    worker.fan_out()
    moving = {e["unit_id"] for e in worker.said("legs.estimates") if e["stage"] == "EN_ROUTE"}
    assert moving == set(UNITS)


def test_boxes_in_every_partition_arrive_with_the_vessel() -> None:
    worker = Worker()
    for unit in UNITS:
        worker.take(itinerary(unit))
    worker.take(told("DEPARTED", "A", 2))
    worker.take(told("ARRIVED", "C", 90))
    worker.fan_out()
    assert {o[0] for o in worker.outcomes().values()} == {"ARRIVED"}
    assert len(worker.outcomes()) == len(UNITS)


def test_a_call_on_the_way_is_no_arrival() -> None:
    worker = Worker()
    worker.take(itinerary("U"))
    worker.take(told("DEPARTED", "A", 2))
    worker.take(told("ARRIVED", "B", 50))
    worker.fan_out()
    assert worker.outcomes() == {}


def test_a_plan_that_comes_after_the_departure_still_learns_of_it() -> None:
    worker = Worker()
    worker.take(told("DEPARTED", "A", 2))
    worker.fan_out()
    worker.take(itinerary("U"))
    worker.fan_out()
    assert worker.said("legs.estimates")[-1]["stage"] == "EN_ROUTE"


def test_a_box_that_was_loaded_into_another_vessel_goes_by_that_one() -> None:
    worker = Worker()
    worker.take(itinerary("U"))
    worker.take(told("LOADED", "A", 1, run="V2", unit_id="U"))
    for run, hours in (("V1", 90), ("V2", 110)):
        worker.take(told("DEPARTED", "A", hours - 80, run=run))
        worker.take(told("ARRIVED", "C", hours, run=run))
    worker.fan_out()
    arrival = (START + 110 * HOUR).isoformat().replace("+00:00", "Z")
    assert [(o[2], o[3]) for o in worker.outcomes().values()] == [(arrival, "V2")]


def test_a_box_that_was_put_ashore_on_the_way_does_not_arrive_with_the_vessel() -> None:
    worker = Worker()
    worker.take(itinerary("U"))
    worker.take(told("DEPARTED", "A", 2))
    worker.take(told("DISCHARGED", "B", 51, unit_id="U"))
    worker.take(told("ARRIVED", "C", 90))
    worker.fan_out()
    assert worker.outcomes() == {}


def test_a_box_whose_plan_moved_to_another_run_is_no_longer_aboard() -> None:
    worker = Worker()
    worker.take(itinerary("U"))
    worker.take(itinerary("U", run="V2", version=2))
    worker.take(told("CANCELLED", "A", 1))
    worker.fan_out()
    assert worker.outcomes() == {}


def test_a_correction_reaches_every_box() -> None:
    worker = Worker()
    for unit in UNITS:
        worker.take(itinerary(unit))
    worker.take(told("ARRIVED", "C", 90))
    later = START + 200 * HOUR
    worker.take(told("ARRIVED", "C", 95, updated_time=later))
    worker.fan_out()
    arrivals = {o[2] for o in worker.outcomes().values()}
    assert arrivals == {(START + 95 * HOUR).isoformat().replace("+00:00", "Z")}


def test_a_retraction_reaches_every_box() -> None:
    worker = Worker()
    for unit in UNITS:
        worker.take(itinerary(unit))
    worker.take(told("ARRIVED", "C", 90))
    worker.take(told("ARRIVED", "C", 90, updated_time=START + 200 * HOUR, retracted=True))
    worker.fan_out()
    assert worker.outcomes() == {}


def test_an_event_that_names_only_the_document_reaches_its_units() -> None:
    worker = Worker()
    for unit in UNITS:
        worker.take(itinerary(unit, shipment="BILL" if unit < "U2" else "OTHER"))
    worker.take(told("DEPARTED", "A", 2, run=None, shipment_id="BILL"))
    worker.fan_out()
    moving = {e["unit_id"] for e in worker.said("legs.estimates") if e["stage"] == "EN_ROUTE"}
    assert moving == {unit for unit in UNITS if unit < "U2"}


def test_a_cancelled_document_cancels_no_movement() -> None:
    worker = Worker()
    worker.take(itinerary("U", shipment="BILL"))
    worker.take(
        told("CANCELLED", None, 2, run=None, shipment_id="BILL", event_type="SHIPMENT", unit_id="U")
    )
    worker.fan_out()
    assert worker.outcomes() == {}


MESSAGES: list[Itinerary | TrackingEvent] = [
    *(itinerary(unit) for unit in UNITS[:6]),
    itinerary("U1", run="V2", version=2),
    itinerary("U2", run=None, version=2),
    told("LOADED", "A", -1, unit_id="U2"),
    told("LOADED", "A", -1, run="V2", unit_id="U3"),
    told("DISCHARGED", "B", 51, unit_id="U4"),
    told("DEPARTED", "A", 2),
    told("ARRIVED", "C", 90),
    told("ARRIVED", "C", 95, updated_time=START + 200 * HOUR),
    told("DEPARTED", "A", 20, run="V2"),
    told("ARRIVED", "C", 120, run="V2"),
]


def outcome_of(messages: list[Itinerary | TrackingEvent], dice: random.Random) -> Any:
    worker = Worker()
    for message in messages:
        worker.take(message)
        if dice.random() < 0.3:
            worker.fan_out()
        if dice.random() < 0.2:
            restart(worker, dice)
    worker.fan_out()
    return worker.outcomes()


def restart(worker: Worker, dice: random.Random) -> None:
    """All state goes through the changelog, as at a change of owner."""
    for partition, state in worker.tracker.partitions.items():
        log = worker.changelog.setdefault(partition, {})
        log.update(state.drain())
        kept = list(log.items())
        dice.shuffle(kept)
        restored = PartitionState()
        for key, value in kept:
            restored.load(key, value)
        restored.start()
        worker.tracker.partitions[partition] = restored


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_the_order_and_the_restarts_the_outcomes_are_the_same(seed: int) -> None:
    dice = random.Random(seed)
    shuffled = MESSAGES[:]
    dice.shuffle(shuffled)
    expected = outcome_of(MESSAGES, random.Random(0))
    assert outcome_of(shuffled, dice) == expected
    assert len(expected) == 5


# positions --------------------------------------------------------------------------------------

QINZHOU = (21.683, 108.647)


def position(number: int, latitude: float, longitude: float, hours: float) -> TrackingEvent:
    return TrackingEvent.model_validate(
        {
            "event_id": f"ping-{number}",
            "source": "lock-maker",
            "event_type": "IOT",
            "code": "BREADCRUMB",
            "event_time": START + hours * HOUR,
            "run_id": "V1",
            "mode": "VESSEL",
            "latitude": latitude,
            "longitude": longitude,
        }
    )


def crossings(worker: Worker) -> list[tuple[str, str]]:
    said = [e for e in worker.said(topics.IOT.name) if e["source"] == "corridor.geofence"]
    return [(e["code"], e["node_id"]) for e in said]


def test_positions_of_a_vessel_show_that_it_left_and_where() -> None:
    worker = Worker()
    latitude, longitude = QINZHOU
    for hour, south in enumerate((1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0.2, 0.4, 0.6)):
        worker.take(position(hour, latitude - south, longitude, hour))
    worker.fan_out()
    codes = [code for code, node in crossings(worker) if node == "CNQZH"]
    assert codes == ["APPROACHING", "ARRIVED", "DEPARTED"]


def test_a_vessel_that_is_first_heard_of_in_port_has_not_arrived_just_then() -> None:
    worker = Worker()
    worker.take(position(0, *QINZHOU, 0))
    worker.take(position(1, *QINZHOU, 1))
    worker.fan_out()
    assert crossings(worker) == []


def test_a_position_that_cannot_be_is_a_dead_letter() -> None:
    worker = Worker()
    latitude, longitude = QINZHOU
    worker.take(position(0, latitude, longitude, 0))
    worker.take(position(1, latitude + 20, longitude, 1))
    worker.fan_out()
    [letter] = worker.said(topics.DEAD_LETTERS.name)
    assert letter["reason"] == "IMPOSSIBLE_POSITION"
    assert "km/h" in letter["detail"]


def test_a_position_that_is_read_twice_tells_nothing_twice() -> None:
    worker = Worker()
    latitude, longitude = QINZHOU
    pings = [position(n, latitude - max(0, n - 2) * 0.2, longitude, n) for n in range(8)]
    for ping in [*pings, *pings]:
        worker.take(ping)
    worker.fan_out()
    assert crossings(worker).count(("DEPARTED", "CNQZH")) == 1


def test_what_a_party_states_outranks_what_positions_show() -> None:
    worker = Worker()
    worker.take(itinerary("U"))
    shown = told("ARRIVED", "C", 80, source="corridor.geofence", event_id="shown")
    worker.take(told("DEPARTED", "A", 2))
    worker.take(shown)
    worker.fan_out()
    worker.take(told("ARRIVED", "C", 90))
    worker.fan_out()
    [outcome] = worker.outcomes().values()
    assert outcome[2] == (START + 90 * HOUR).isoformat().replace("+00:00", "Z")


def test_positions_do_not_undo_a_diversion_that_a_party_states() -> None:
    worker = Worker()
    worker.take(itinerary("U"))
    worker.take(told("DEPARTED", "A", 2))
    worker.take(told("DIVERTED", None, 60))
    worker.take(told("ARRIVED", "C", 90, source="corridor.geofence"))
    worker.fan_out()
    [outcome] = worker.outcomes().values()
    assert (outcome[0], outcome[2]) == ("DIVERTED", None)


def two_legs(unit: str) -> Itinerary:
    first = itinerary(unit).legs[0]
    onward = {
        "leg_id": "C-D.RAIL",
        "sequence": 2,
        "mode": "RAIL",
        "from_node": "C",
        "to_node": "D",
        "run_id": "T1",
        "planned_departure": START + 120 * HOUR,
        "planned_arrival": START + 150 * HOUR,
    }
    return Itinerary.model_validate(
        itinerary(unit).model_dump() | {"legs": [first.model_dump(), onward]}
    )


def test_a_box_that_was_diverted_is_not_on_the_train_that_it_was_planned_on_next() -> None:
    worker = Worker()
    worker.take(two_legs("U"))
    worker.take(told("DEPARTED", "A", 2))
    worker.take(told("DIVERTED", None, 60))
    worker.take(told("DEPARTED", "C", 121, run="T1"))
    worker.take(told("ARRIVED", "D", 150, run="T1"))
    worker.fan_out()
    assert {leg: o[0] for leg, o in worker.outcomes().items()} == {("U", 1): "DIVERTED"}


def test_a_box_that_was_diverted_and_loaded_after_all_is_on_the_train() -> None:
    worker = Worker()
    worker.take(two_legs("U"))
    worker.take(told("DIVERTED", None, 60))
    worker.take(told("LOADED", "C", 119, run="T1", unit_id="U"))
    worker.take(told("ARRIVED", "D", 150, run="T1"))
    worker.fan_out()
    assert worker.outcomes()["U", 2][0] == "ARRIVED"


# what changes no stage but what is expected ------------------------------------------------------

SOUTH = (QINZHOU[0] - 3, QINZHOU[1])
BY_SEA = itinerary("U").legs[0].model_dump() | {"from_node": "CNQZH", "to_node": "SGSIN"}


def sailing(units: list[str] = UNITS) -> Worker:
    """Boxes on a vessel that has left, and a model that knows such vessels."""
    worker = Worker()
    worker.tracker.estimator = Estimator(learned())
    for unit in units:
        plan = itinerary(unit).model_dump() | {"legs": [BY_SEA]}
        worker.take(Itinerary.model_validate(plan))
    worker.take(told("DEPARTED", "CNQZH", 2))
    worker.fan_out()
    return worker


def expected(arrival: float, said: float, **values: Any) -> TrackingEvent:
    times: dict[str, Any] = {"classifier": "ESTIMATED", "updated_time": START + said * HOUR}
    return told("ARRIVED", "SGSIN", arrival, **(times | values))


def told_again(worker: Worker) -> None:
    """All that was passed on comes once more, as after a crash."""
    worker.returned = [0] * PARTITIONS
    worker.fan_out()


def caused(worker: Worker, by: str) -> set[str]:
    said = worker.said(topics.ESTIMATES.name)
    return {e["unit_id"] for e in said if e["caused_by"].startswith(by)}


def test_an_arrival_that_is_stated_for_a_vessel_reaches_every_box_aboard() -> None:
    worker = sailing()
    worker.take(expected(140, 10, event_id="eta"))
    worker.fan_out()
    assert caused(worker, "line/eta") == set(UNITS)


def test_an_arrival_that_is_stated_for_one_box_is_its_own() -> None:
    worker = sailing()
    worker.take(expected(140, 10, event_id="eta", unit_id="U3"))
    worker.fan_out()
    assert caused(worker, "line/eta") == {"U3"}


def test_a_stated_arrival_is_heard_before_anything_else_has_told_of_that_time() -> None:
    worker = sailing(["U"])
    worker.take(expected(140, 10))
    worker.fan_out()
    last = worker.said(topics.ESTIMATES.name)[-1]
    assert last["evidence"].endswith("+STATED")
    assert last["as_of"] == "2026-01-01T10:00:00Z"


def test_what_was_stated_at_a_time_that_is_yet_to_come_is_a_dead_letter() -> None:
    worker = sailing(["U"])
    worker.take(expected(9e5, 8e5))
    worker.fan_out()
    [letter] = worker.said(topics.DEAD_LETTERS.name)
    assert (letter["reason"], letter["field"]) == ("FUTURE", "updated_time")


def test_positions_of_a_vessel_move_what_is_expected_of_every_box_aboard() -> None:
    worker = sailing()
    worker.take(position(0, *SOUTH, 60))
    worker.fan_out()
    assert caused(worker, "lock-maker/") == set(UNITS)


def test_boxes_hear_of_their_vessel_no_more_often_than_is_of_use() -> None:
    worker = sailing(["U"])
    before = len(worker.said(topics.FANOUT.name))
    for number in range(60):
        worker.take(position(number, *SOUTH, 60 + number / 60))
    worker.fan_out()
    passed = len(worker.said(topics.FANOUT.name)) - before
    assert passed == PARTITIONS * (HOUR // PASS_ON_EVERY)


def test_a_position_that_cannot_be_moves_nothing() -> None:
    worker = sailing(["U"])
    worker.take(position(0, *SOUTH, 60))
    worker.fan_out()
    before = worker.said(topics.ESTIMATES.name)
    worker.take(position(1, SOUTH[0] - 15, SOUTH[1], 60.5))
    worker.fan_out()
    assert worker.said(topics.ESTIMATES.name) == before


def test_what_is_passed_on_twice_is_said_once() -> None:
    worker = sailing()
    worker.take(position(0, *SOUTH, 60))
    worker.take(expected(140, 61))
    worker.take(expected(150, 150, event_id="undated", source="port"))
    worker.take(position(1, SOUTH[0] - 1, SOUTH[1], 64))
    worker.fan_out()
    before = worker.said(topics.ESTIMATES.name)
    told_again(worker)
    assert worker.said(topics.ESTIMATES.name) == before


def test_reports_outlive_a_restart() -> None:
    def last(restarts: bool) -> list[dict[str, Any]]:
        worker = sailing(["U", "V"])
        worker.take(position(0, *SOUTH, 60))
        worker.take(expected(140, 61))
        worker.fan_out()
        if restarts:
            restart(worker, random.Random(1))
        worker.take(position(1, SOUTH[0] - 1, SOUTH[1], 64))
        worker.fan_out()
        return worker.said(topics.ESTIMATES.name)

    assert last(True) == last(False)


# lessons -----------------------------------------------------------------------------------------


def test_what_teaches_goes_to_the_one_partition_of_the_learner() -> None:
    worker = sailing()
    worker.take(told("ARRIVED", "SGSIN", 90))
    worker.fan_out()
    assert {p for topic, p in worker.emitter.sent if topic == topics.LESSONS.name} == {0}


def test_every_box_of_a_vessel_tells_the_same_lesson() -> None:
    worker = sailing()
    worker.take(told("ARRIVED", "SGSIN", 90))
    worker.fan_out()
    found = [lessons.decode(v) for _, v in worker.emitter.sent[topics.LESSONS.name, 0]]
    come = [lesson for lesson in found if lesson.what is What.ARRIVED]
    assert len(come) == len(UNITS)
    assert len(set(map(lessons.encode, come))) == 1
