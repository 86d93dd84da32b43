"""From what is told of units in several partitions to incidents, over the workers' own topics."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from corridor import topics
from corridor.alerting import incidents
from corridor.codes import AlertKind, AlertState, Order
from corridor.models import AlertCommand, Incident, Itinerary, TrackingEvent
from producers.batches import murmur2
from streams.state import PartitionState
from tests.unit.streams.test_tracker import PARTITIONS, Worker

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNITS = [f"U{number}" for number in range(12)]
KEY = "DELAY/RUN/TRAIN/A-B.RAIL"


def plan(unit: str) -> Itinerary:
    leg = {
        "leg_id": "A-B.RAIL",
        "sequence": 1,
        "mode": "RAIL",
        "from_node": "A",
        "to_node": "B",
        "run_id": "TRAIN",
        "planned_departure": START,
        "planned_arrival": START + 40 * HOUR,
    }
    return Itinerary.model_validate(
        {
            "unit_id": unit,
            "shipment_id": f"S-{unit}",
            "corridor_id": "C",
            "version": 1,
            "issued_time": START - 24 * HOUR,
            "parties": [f"PARTY-{unit}"],
            "legs": [leg],
        }
    )


def of_train(code: str, node: str, hours: float) -> TrackingEvent:
    return TrackingEvent.model_validate(
        {
            "event_id": f"{code}-{node}",
            "source": "railway",
            "event_type": "TRANSPORT",
            "code": code,
            "event_time": START + hours * HOUR,
            "run_id": "TRAIN",
            "node_id": node,
        }
    )


class Alerting(Worker):
    """A worker whose alerts come back to it too."""

    def __init__(self) -> None:
        super().__init__()
        self.gathered: dict[int, int] = {}

    def gather(self, batch: int = 1000) -> None:
        """Reads what was said of alerts, in batches of a partition."""
        asyncio.run(self.emitter.flush())
        for partition in range(PARTITIONS):
            records = self.emitter.sent.get((topics.SIGNALS.name, partition), [])
            known = self.gathered.get(partition, 0)
            self.gathered[partition] = len(records)
            for first in range(known, len(records), batch):
                self._apply_all(topics.SIGNALS.name, partition, records[first : first + batch])
        asyncio.run(self.emitter.flush())

    def wait(self, hours: float) -> None:
        for partition in range(PARTITIONS):
            self.tracker.let_pass(partition, START + hours * HOUR, 0)

    def order(self, what: Order, **values: Any) -> None:
        command = AlertCommand(
            command_id="c1",
            order=what,
            incident_id=incidents.incident_id(KEY),
            dedup_key=KEY,
            by="ann",
            issued_time=START,
            **values,
        )
        partition = (murmur2(KEY.encode()) & 0x7FFFFFFF) % PARTITIONS
        self._apply(topics.COMMANDS.name, partition, KEY.encode(), command.to_json())
        asyncio.run(self.emitter.flush())

    def incidents(self) -> list[Incident]:
        return [
            Incident.model_validate(value)
            for value in self.said(topics.INCIDENTS.name)
            if value["kind"] == AlertKind.DELAY
        ]

    def restart(self) -> None:
        """Goes on from what is durable."""
        for partition, state in self.tracker.partitions.items():
            self.changelog.setdefault(partition, {}).update(state.drain())
        self.tracker.partitions = {p: PartitionState() for p in range(PARTITIONS)}
        for partition, state in self.tracker.partitions.items():
            for key, value in self.changelog.get(partition, {}).items():
                state.load(key, value)
            state.start()


def late_train(worker: Alerting) -> None:
    for unit in UNITS:
        worker.take(plan(unit))
    worker.take(of_train("DEPARTED", "A", 9))
    worker.fan_out()
    worker.wait(10)


def test_a_late_train_with_boxes_in_all_partitions_is_one_incident() -> None:
    worker = Alerting()
    late_train(worker)
    worker.gather()
    [incident] = worker.incidents()
    assert incident.dedup_key == KEY
    assert incident.state is AlertState.OPEN
    assert {a.unit_id for a in incident.affected} == set(UNITS)
    assert {p.party for p in incident.parties} == {f"PARTY-{unit}" for unit in UNITS}


def test_the_arrival_ends_it_once() -> None:
    worker = Alerting()
    late_train(worker)
    worker.gather()
    worker.take(of_train("ARRIVED", "B", 39))
    worker.fan_out()
    worker.gather()
    assert [i.state for i in worker.incidents()] == [AlertState.OPEN, AlertState.RESOLVED]
    assert worker.incidents()[-1].unit_count == 0


def test_what_is_read_again_after_a_crash_says_nothing_new() -> None:
    worker = Alerting()
    late_train(worker)
    worker.gather()
    worker.restart()
    worker.gathered.clear()
    offsets = {k: v for k, v in worker.offsets.items() if k[0] == topics.SIGNALS.name}
    for place in offsets:
        worker.offsets[place] = 0
    worker.gather()
    assert len(worker.incidents()) == 1


def test_an_alert_that_is_said_again_by_a_worker_changes_no_incident() -> None:
    worker = Alerting()
    late_train(worker)
    worker.gather()
    worker.gathered.clear()  # as if it had been written twice
    worker.gather()
    assert len(worker.incidents()) == 1


def test_the_same_revision_has_the_same_content_whatever_the_batches() -> None:
    said: dict[int, Incident] = {}
    for batch in (1, 3, 1000):
        worker = Alerting()
        late_train(worker)
        worker.gather(batch)
        for incident in worker.incidents():
            assert said.setdefault(incident.revision, incident) == incident
    assert max(said) == len(UNITS)


def test_a_restart_between_units_and_incident_changes_nothing() -> None:
    one, other = Alerting(), Alerting()
    for worker in (one, other):
        late_train(worker)
        if worker is other:
            worker.restart()
        worker.gather()
        if worker is other:
            worker.restart()
        worker.take(of_train("ARRIVED", "B", 50))
        worker.fan_out()
        worker.gather()
        if worker is other:
            worker.restart()
        worker.wait(52)
        worker.gather()
    assert one.incidents() == other.incidents()
    assert one.incidents()[-1].state is AlertState.RESOLVED


def test_an_order_is_a_revision() -> None:
    worker = Alerting()
    late_train(worker)
    worker.gather()
    worker.order(Order.ACK, party="PARTY-U1")
    worker.order(Order.ACK, party="PARTY-U1")
    last = worker.incidents()[-1]
    assert [(h.order, h.party, h.by) for h in last.handling] == [(Order.ACK, "PARTY-U1", "ann")]
    assert len(worker.incidents()) == 2


def test_an_order_for_what_nobody_knows_does_nothing() -> None:
    worker = Alerting()
    worker.order(Order.ACK)
    assert not worker.incidents()


def test_an_alert_that_cannot_be_read_is_a_dead_letter() -> None:
    worker = Alerting()
    worker._apply(topics.SIGNALS.name, 0, b"key", b"nothing")
    asyncio.run(worker.emitter.flush())
    [letter] = worker.said(topics.DEAD_LETTERS.name)
    assert letter["reason"] == "MALFORMED"


def plan_of(train: int) -> Itinerary:
    changes: dict[str, Any] = {"unit_id": f"B{train}", "shipment_id": f"S-B{train}"}
    [leg] = plan("X").legs
    start = START + train * HOUR + 10 * 24 * HOUR * (train > 0)
    times = {"planned_departure": start, "planned_arrival": start + 40 * HOUR}
    leg = leg.model_copy(update=times | {"run_id": f"TRAIN{train}"})
    return plan("X").model_copy(update=changes | {"legs": (leg,)})


def leaves(train: int, late: float = 9) -> TrackingEvent:
    [leg] = plan_of(train).legs
    event = of_train("DEPARTED", "A", 0)
    time = leg.planned_departure + late * HOUR
    return event.model_copy(
        update={"event_id": f"{train}", "event_time": time, "run_id": f"TRAIN{train}"}
    )


def queue_of_trains(restart: bool) -> Alerting:
    """One is late by terminal A; four more are, days later, until two days have passed."""
    worker = Alerting()
    for train in range(5):
        worker.take(plan_of(train))
    for train in range(5):
        worker.take(leaves(train))
        worker.fan_out()
        worker.wait(24 * 10 * (train > 0) + 10 + train)
        worker.gather()
        if restart:
            worker.restart()
    for day in (11, 12, 13):
        worker.wait(24 * day)
        worker.gather()
        if restart:
            worker.restart()
    return worker


def test_a_place_that_delays_many_trains_is_an_incident_and_time_ends_it() -> None:
    worker = queue_of_trains(restart=False)
    of_place = [i for i in worker.incidents() if i.dedup_key == "DELAY/NODE/A"]
    assert of_place[0].children == tuple(f"DELAY/RUN/TRAIN{n}/A-B.RAIL" for n in (1, 2, 3))
    opened = [i for i in of_place if i.state is AlertState.OPEN]
    assert len(opened[-1].children) == 4
    assert of_place[-1].state is not AlertState.OPEN
    trains = [i for i in worker.incidents() if i.dedup_key.startswith("DELAY/RUN/TRAIN4")]
    assert trains[-1].parent == "DELAY/NODE/A"


def test_a_place_goes_on_after_a_restart_as_if_there_had_been_none() -> None:
    one, other = queue_of_trains(restart=False), queue_of_trains(restart=True)
    assert one.incidents() == other.incidents()
