"""A whole worker on the in-memory broker, killed at every step of its checkpoints."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from faust.contrib.asgi import faust_app_running
from faust.types import TP

from corridor import topics
from corridor.settings import Settings
from streams.app import Worker
from streams.state import PartitionState
from tests.contract.memory import Crash, MemoryBroker, MemoryEmitter, restore_from, until

SETTINGS = Settings(group="contract", partitions=2)
CHANGELOG = topics.changelog("contract").name
START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCES = {TP(topic.name, p) for topic in topics.WORKER_TOPICS for p in range(2)}


def itinerary(unit: str, departure: datetime) -> dict[str, Any]:
    return {
        "unit_id": unit,
        "shipment_id": f"S-{unit}",
        "corridor_id": "TEST",
        "version": 1,
        "issued_time": (departure - timedelta(hours=24)).isoformat(),
        "legs": [
            {
                "leg_id": "AAA-BBB.RAIL",
                "sequence": 1,
                "mode": "RAIL",
                "from_node": "AAA",
                "to_node": "BBB",
                "run_id": f"R-{unit}",
                "planned_departure": departure.isoformat(),
                "planned_arrival": (departure + timedelta(hours=5)).isoformat(),
            }
        ],
    }


def event(unit: str, code: str, time: datetime) -> dict[str, Any]:
    return {
        "event_id": f"{unit}-{code}",
        "source": "railway",
        "event_type": "TRANSPORT",
        "code": code,
        "event_time": time.isoformat(),
        "unit_id": unit,
        "node_id": {"DEPARTED": "AAA", "ARRIVED": "BBB"}[code],
    }


def history(units: int, seed: int) -> list[tuple[datetime, str, str, dict[str, Any]]]:
    """(available, topic, unit, message) of some units, in order of availability."""
    dice = random.Random(seed)
    messages = []
    for number in range(units):
        unit = f"U{number}"
        planned = START + timedelta(minutes=7 * number)
        departed = planned + timedelta(minutes=dice.choice([-5, 0, 30, 90, 400]))
        arrived = departed + timedelta(minutes=dice.randrange(200, 500))
        messages.append(
            (planned - timedelta(hours=24), topics.ITINERARIES.name, unit, itinerary(unit, planned))
        )
        for code, time in (("DEPARTED", departed), ("ARRIVED", arrived)):
            messages.append((time, topics.CARRIER.name, unit, event(unit, code, time)))
            if dice.random() < 0.2:  # the source says it twice
                messages.append((time, topics.CARRIER.name, unit, event(unit, code, time)))
    return sorted(messages, key=lambda m: m[0])


def broker_of(messages: list[tuple[datetime, str, str, dict[str, Any]]]) -> MemoryBroker:
    broker = MemoryBroker()
    broker.offered = set(SOURCES)
    for _, topic, unit, message in messages:
        partition = int(unit[1:]) % 2
        broker.append(TP(topic, partition), unit.encode(), json.dumps(message).encode())
    return broker


def said(broker: MemoryBroker) -> dict[str, bytes]:
    """What every consumer that drops repeated ids sees: id to value."""
    seen: dict[str, bytes] = {}
    for topic, name in ((topics.ESTIMATES, "estimate_id"), (topics.OUTCOMES, "outcome_id")):
        for partition in range(2):
            for record in broker.logs[TP(topic.name, partition)]:
                identity = json.loads(record.value or b"{}")[name]
                assert seen.setdefault(identity, record.value) == record.value
    return seen


def all_committed(broker: MemoryBroker) -> bool:
    return all(
        broker.committed.get(tp, 0) == len(broker.logs[tp]) for tp in SOURCES if broker.logs[tp]
    )


class Models:
    """Of a worker that has none; tells what it is asked."""

    def __init__(self, told: list[str] | None = None) -> None:
        self.told = told if told is not None else []

    async def start_once(self) -> None:
        self.told.append("models")

    async def stop(self) -> None:
        pass


async def live(broker: MemoryBroker, sends: int | None = None) -> bool:
    """Runs a worker until it is done or dies; says whether it was done."""
    emitter = MemoryEmitter(broker)
    emitter.sends_left = sends
    worker = Worker(
        SETTINGS,
        transport=broker.transport(),
        emitter=emitter,
        restore=restore_from(broker, CHANGELOG),
        feed=Models(),
    )
    worker.app.conf.broker_max_poll_records = 50
    worker.app.conf.stream_wait_empty = sends is None  # who is killed waits for nothing
    try:
        async with faust_app_running(worker.app, stop_timeout=20):
            await until(lambda: all_committed(broker) or worker.app.crashed)
            if worker.app.crashed:
                assert isinstance(worker.app.crash_reason, Crash)
                emitter.sends_left = 0
                return False
    finally:
        broker.assignment = set()
    return True


@pytest.fixture(scope="module")
def undisturbed() -> dict[int, dict[str, bytes]]:
    def run(seed: int) -> dict[str, bytes]:
        broker = broker_of(history(60, seed))
        assert asyncio.run(live(broker))
        return said(broker)

    return {seed: run(seed) for seed in (1, 2)}


def test_each_unit_gets_an_outcome_and_its_estimates(
    undisturbed: dict[int, dict[str, bytes]],
) -> None:
    messages = [json.loads(value) for value in undisturbed[1].values()]
    outcomes = [m for m in messages if "outcome_id" in m]
    assert len(outcomes) == 60
    assert {m["ending"] for m in outcomes} == {"ARRIVED"}
    stages = Counter(m["stage"] for m in messages if "estimate_id" in m)
    assert stages["PLANNED"] == 60
    assert stages["EN_ROUTE"] == 60
    assert stages["AT_NODE"] == 60
    assert stages["OVERDUE"] > 0


def crash_points(seed: int) -> Iterator[int]:
    """After how many sends each life of the worker ends; some right at the beginning."""
    dice = random.Random(seed)
    yield from (0, 1)
    for _ in range(6):
        yield dice.randrange(400)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_worker_that_dies_at_any_send_says_in_the_end_what_an_undisturbed_one_says(
    undisturbed: dict[int, dict[str, bytes]], seed: int
) -> None:
    async def lives() -> MemoryBroker:
        broker = broker_of(history(60, seed))
        for sends in crash_points(seed):
            if await live(broker, sends):
                break
        assert await live(broker)
        return broker

    assert said(asyncio.run(lives())) == undisturbed[seed]


def test_a_worker_has_its_models_before_it_takes_over_any_state() -> None:
    told: list[str] = []

    async def test() -> None:
        broker = broker_of(history(2, 1))
        restore = restore_from(broker, CHANGELOG)

        async def tell(partitions: Iterable[int]) -> dict[int, PartitionState]:
            told.append("state")
            states: dict[int, PartitionState] = await restore(partitions)
            return states

        worker = Worker(
            SETTINGS,
            transport=broker.transport(),
            emitter=MemoryEmitter(broker),
            restore=tell,
            feed=Models(told),
        )
        async with faust_app_running(worker.app, stop_timeout=20):
            await until(lambda: all_committed(broker))

    asyncio.run(test())
    assert told == ["models", "state"]


def test_what_is_done_is_committed_at_once_when_nothing_waits() -> None:
    async def test() -> None:
        broker = broker_of(history(2, 1))
        worker = Worker(
            SETTINGS,
            transport=broker.transport(),
            emitter=MemoryEmitter(broker),
            restore=restore_from(broker, CHANGELOG),
            feed=Models(),
        )
        worker.app.conf.broker_commit_interval = 3600  # no timer commits
        async with faust_app_running(worker.app, stop_timeout=20):
            await until(lambda: all_committed(broker))

    asyncio.run(test())


def test_events_that_outrun_their_itineraries_lead_to_the_same(
    undisturbed: dict[int, dict[str, bytes]],
) -> None:
    async def test() -> MemoryBroker:
        messages = history(60, 1)
        broker = broker_of([m for m in messages if m[1] == topics.CARRIER.name])
        assert await live(broker)
        for _, topic, unit, message in messages:
            if topic == topics.ITINERARIES.name:
                partition = int(unit[1:]) % 2
                broker.append(TP(topic, partition), unit.encode(), json.dumps(message).encode())
        assert await live(broker)
        return broker

    assert said(asyncio.run(test())) == undisturbed[1]


def test_what_cannot_be_read_is_in_the_quarantine_with_field_and_reason() -> None:
    async def test() -> MemoryBroker:
        broker = broker_of(history(1, 1))
        carrier = TP(topics.CARRIER.name, 0)
        good = event("U0", "DEPARTED", START)
        broker.append(carrier, b"U0", b"{not json")
        broker.append(carrier, b"U0", json.dumps(good | {"code": "TELEPORTED"}).encode())
        broker.append(carrier, b"U0", json.dumps(good | {"event_time": "yesterday"}).encode())
        broker.append(carrier, b"U9", json.dumps(good).encode())
        broker.append(carrier, b"U0", json.dumps(good | {"schema_version": 2}).encode())
        future = (datetime.now(UTC) + timedelta(days=400)).isoformat()
        broker.append(carrier, b"U0", json.dumps(good | {"event_time": future}).encode())
        broker.append(
            carrier, b"U0", json.dumps(good | {"event_time": "9999-12-31T23:59:59Z"}).encode()
        )
        assert await live(broker)
        return broker

    broker = asyncio.run(test())
    letters = [json.loads(r.value or b"") for r in broker.logs[TP(topics.DEAD_LETTERS.name, 0)]]
    assert [(letter["reason"], letter.get("field")) for letter in letters] == [
        ("MALFORMED", None),
        ("UNKNOWN_CODE", "code"),
        ("MALFORMED", "event_time"),
        ("WRONG_KEY", "unit_id"),
        ("UNKNOWN_VERSION", "schema_version"),
        ("FUTURE", "event_time"),
        ("MALFORMED", "event_time"),
    ]
    assert all(letter["origin"]["topic"] == topics.CARRIER.name for letter in letters)
