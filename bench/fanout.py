"""One event of a vessel with 5,000 boxes aboard, against one event for each box.

    python -m bench.fanout [--boxes N] [--json]

Two vessels with as many boxes each, on a stack of its own. Of one, the carrier tells that the
vessel has departed; of the other, it tells so for every box. Both are timed from the first
message to the last new estimate on Kafka, and to the last one in ClickHouse.

Last line: how many times longer the events for each box take, to the last estimate on Kafka.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson
from kafka import KafkaConsumer
from rich.console import Console
from rich.table import Table

from bench.fresh_stack import FreshStack, fresh_stacks
from corridor import topics
from corridor.containers import check_digit
from corridor.models import Itinerary, Leg, TrackingEvent
from producers.publisher import Publisher

START = datetime(2026, 11, 1, tzinfo=UTC)
ROUNDS = ("DEPARTED", "ARRIVED")


class Measured(NamedTuple):
    """What one way of telling took."""

    messages: int
    bytes: int
    seconds_to_estimates: float
    seconds_to_rows: float


def boxes(vessel: int, count: int) -> list[str]:
    """Container numbers with their check digits."""
    starts = (f"CQL{'UJ'[vessel]}{number:06d}" for number in range(count))
    return [f"{start}{check_digit(start)}" for start in starts]


def itinerary(box: str, run: str) -> Itinerary:
    """One sailing from Qinzhou to Singapore."""
    leg = Leg(
        leg_id="CNQZH-SGSIN.VESSEL",
        sequence=1,
        mode="VESSEL",
        from_node="CNQZH",
        to_node="SGSIN",
        run_id=run,
        planned_departure=START,
        planned_arrival=START + timedelta(days=6),
    )
    return Itinerary(
        unit_id=box,
        shipment_id=f"MTD-{box}",
        corridor_id="ILSTC",
        version=1,
        issued_time=START - timedelta(days=3),
        legs=(leg,),
    )


def event(code: str, run: str, box: str | None) -> TrackingEvent:
    """What the carrier tells, of the vessel or of one box."""
    hours = 5 if code == "DEPARTED" else 150
    return TrackingEvent(
        event_id=f"{run}-{code}-{box or 'vessel'}",
        source="line",
        event_type="TRANSPORT",
        code=code,
        event_time=START + timedelta(hours=hours),
        unit_id=box,
        run_id=run,
        mode="VESSEL",
        node_id="CNQZH" if code == "DEPARTED" else "SGSIN",
    )


def measure(stack: FreshStack, code: str, run: str, units: list[str], whole: bool) -> Measured:
    """Tells one thing of a vessel and waits until all of its boxes know."""
    known = stack.settings
    consumer = KafkaConsumer(
        topics.ESTIMATES.name,
        **known.kafka_client(),
        auto_offset_reset="latest",
        consumer_timeout_ms=200,
    )
    consumer.poll(500)  # at the end of the topic
    list(consumer)
    told = [event(code, run, None)] if whole else [event(code, run, box) for box in units]
    values = [(e.subject.encode(), e.to_json()) for e in told]
    with Publisher(known) as publisher:
        began = time.perf_counter()
        for key, value in values:
            publisher.publish(topics.CARRIER.name, key, value)
        publisher.flush()
        left = set(units)
        while left:
            for record in consumer:
                estimate = orjson.loads(record.value)
                if f"{run}-{code}-" in estimate["caused_by"]:
                    left.discard(estimate["unit_id"])
                    if not left:
                        break
        estimated = time.perf_counter() - began
    consumer.close()
    rows = f"SELECT uniqExact(unit_id) FROM estimates WHERE caused_by LIKE 'line/{run}-{code}-%'"
    while int(stack.query(rows)[0][0]) < len(units):
        time.sleep(0.05)
    landed = time.perf_counter() - began
    return Measured(len(told), sum(len(value) for _, value in values), estimated, landed)


def run(stack: FreshStack, count: int) -> dict[str, dict[str, Measured]]:
    """All rounds of both vessels, the first vessel told of as a whole."""
    vessels = [(f"9{number}00000-001W", boxes(number, count)) for number in range(2)]
    with Publisher(stack.settings) as publisher:
        for name, units in vessels:
            for box in units:
                plan = itinerary(box, name)
                publisher.publish(topics.ITINERARIES.name, box.encode(), plan.to_json())
    stack.wait_until_quiet(120)
    return {
        code: {
            way: measure(stack, code, name, units, way == "vessel")
            for way, (name, units) in zip(("vessel", "each box"), vessels, strict=True)
        }
        for code in ROUNDS
    }


def _rows(results: dict[str, dict[str, Measured]]) -> Iterator[tuple[str, ...]]:
    for code, ways in results.items():
        for way, m in ways.items():
            yield (
                code,
                way,
                f"{m.messages:,}",
                f"{m.bytes:,}",
                f"{m.seconds_to_estimates:.2f}",
                f"{m.seconds_to_rows:.2f}",
            )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--boxes", type=int, default=5_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, fresh_stacks(Path(directory)) as [stack]:
        results = run(stack, options.boxes)
    ratios = [
        ways["each box"].seconds_to_estimates / ways["vessel"].seconds_to_estimates
        for ways in results.values()
    ]
    ratio = sum(ratios) / len(ratios)
    if options.json:
        plain = {c: {w: m._asdict() for w, m in ways.items()} for c, ways in results.items()}
        print(json.dumps({"boxes": options.boxes, "rounds": plain, "ratio": ratio}))
        return
    table = Table("event", "told of", "messages", "bytes", "s to estimates", "s to rows")
    for row in _rows(results):
        table.add_row(*row)
    Console().print(table)
    print(f"{ratio:.2f}")


if __name__ == "__main__":
    main()
