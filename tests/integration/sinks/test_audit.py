"""`corridor audit` finds what differs between Kafka and ClickHouse, and nothing else."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse import audit
from sinks.clickhouse.audit import Landing, Verdict
from tests.integration.sinks.flow import Flow, estimate, events, outcome
from tests.support import ClickHouse

pytestmark = pytest.mark.stack

Verdicts = dict[tuple[str, int], Verdict]


def found(flow: Flow) -> Verdicts:
    """By table and partition."""
    topics = {topic: table.name for topic, table in flow.tables.items()}
    return {(topics[v.topic], v.partition): v for v in audit.audit(flow.settings, flow.tables)}


@pytest.fixture(scope="module")
def flow(kafka: str, clickhouse: ClickHouse) -> Flow:
    """What a sink has landed: corrections, retractions and what cannot be used among it."""
    flow = Flow(kafka, clickhouse)
    flow.prepare()
    spoiled = [b"not json", b'{"schema_version":1,"event_id":"x"}', b""]
    sent = [*events(300), *events(50, hours=1), *spoiled, *events(20, hours=2, retracted=True)]
    flow.publish("events", sent)
    flow.publish("estimates", [estimate(n).to_json() for n in range(200)])
    flow.publish("outcomes", [outcome(n).to_json() for n in range(90)])
    with flow.sinking():
        flow.wait_until_committed()
        flow.wait_for("dead_letters", len(spoiled))
        flow.wait_until_committed()
    return flow


@pytest.fixture(scope="module")
def sound(flow: Flow) -> Verdicts:
    return found(flow)


@pytest.fixture(scope="module")
def damaged(flow: Flow, sound: Verdicts) -> Verdicts:
    """The same after something was done to each table."""
    flow.publish("events", events(7, first=900), partition=0)
    for statement in (
        "DELETE FROM outcomes WHERE _partition = 0 AND _offset IN (3, 4)",
        "ALTER TABLE outcomes UPDATE corridor_id = 'X' WHERE _partition = 1 AND _offset = 5 "
        "SETTINGS mutations_sync = 2",
        "DELETE FROM landings WHERE table = 'estimates' AND partition = 0",
        "INSERT INTO estimates SELECT * REPLACE (unit_id || '2' AS unit_id) FROM estimates "
        "WHERE _partition = 2 AND _offset < 4",
        "INSERT INTO landings SELECT * REPLACE (last + 5 AS last, [last + 1] AS starts, "
        "[last + 5] AS ends) FROM landings WHERE table = 'outcomes' AND partition = 2 LIMIT 1",
    ):
        flow.query(statement)
    return found(flow)


def test_what_has_landed_is_found_sound(sound: Verdicts) -> None:
    assert all(verdict.ok for verdict in sound.values())
    rows = {
        table: sum(v.rows for (of, _), v in sound.items() if of == table)
        for table in ("events", "estimates", "outcomes", "dead_letters", "itineraries")
    }
    assert rows == {
        "events": 370,
        "estimates": 200,
        "outcomes": 90,
        "dead_letters": 3,
        "itineraries": 0,
    }
    assert sum(v.refused for v in sound.values()) == 3


def test_the_whole_committed_range_is_compared(sound: Verdicts) -> None:
    ranges = [(v.start, v.end) for (table, _), v in sound.items() if table == "outcomes"]
    assert ranges == [(0, 30)] * 3


def test_what_is_not_committed_yet_is_no_difference(damaged: Verdicts) -> None:
    assert damaged["events", 0].ok
    assert damaged["events", 0].waiting == 7


def test_a_row_that_is_gone_is_missing(damaged: Verdicts) -> None:
    assert damaged["outcomes", 0].missing == 2
    assert not damaged["outcomes", 0].ok


def test_a_row_with_another_value_differs(damaged: Verdicts) -> None:
    assert damaged["outcomes", 1].differing == 1
    assert damaged["outcomes", 1].missing == 0


def test_a_delivery_that_was_not_recorded_is_a_gap(damaged: Verdicts) -> None:
    verdict = damaged["estimates", 0]
    assert verdict.gaps == verdict.rows > 0


def test_a_second_delivery_is_a_duplicate(damaged: Verdicts) -> None:
    assert damaged["estimates", 2].duplicates == 4


def test_offsets_that_kafka_does_not_have_are_no_difference_beyond_what_is_committed(
    damaged: Verdicts,
) -> None:
    assert damaged["outcomes", 2].ok


def test_json_says_it_as_agreed(damaged: Verdicts, sound: Verdicts) -> None:
    assert audit.as_json(list(sound.values()))["ok"] is True
    said: dict[str, Any] = audit.as_json(list(damaged.values()))
    assert said["ok"] is False
    assert {"topic", "partition", "from", "to", "rows", "gaps", "duplicates"} <= set(
        said["partitions"][0]
    )


# the counting alone ---------------------------------------------------------------------------


@given(
    st.sets(st.integers(0, 60)),  # what Kafka has
    st.lists(st.sets(st.integers(0, 60), min_size=1), max_size=5),  # what inserts brought
    st.integers(0, 30),
)
def test_deliveries_are_counted_as_sets_are(
    kept: set[int], inserts: list[set[int]], begin: int
) -> None:
    landings = [_landing(offsets) for offsets in inserts]
    start = audit._start(begin, sorted(landings))
    verdict = Verdict("t", 0, start, 50)
    inside = sorted(offset for offset in kept if start <= offset < 50)
    delivered = [o for offsets in inserts for o in offsets if start <= o < 50]
    # one row each, as most tables have
    rows = sum(one.rows for one in landings if one.first < 50 and one.last >= start)
    audit._count(sorted(landings), np.array(inside, np.int64), rows, verdict)
    assert verdict.duplicates == len(delivered) - len(set(delivered))
    assert verdict.gaps == len(set(inside) - set(delivered))
    assert verdict.foreign == len(set(delivered) - set(inside))


def _landing(offsets: set[int]) -> Landing:
    runs = audit._merged([(offset, offset) for offset in sorted(offsets)])
    starts, ends = [first for first, _ in runs], [last for _, last in runs]
    return Landing(min(offsets), max(offsets), starts, ends, len(offsets))


def test_what_was_there_before_landings_were_recorded_is_passed_over() -> None:
    assert (
        audit._start(5, [Landing(0, 99, [0], [99], 0), Landing(100, 120, [100], [120], 21)]) == 100
    )


def test_an_insert_that_kafka_keeps_in_part_is_passed_over() -> None:
    assert audit._start(5, [Landing(0, 9, [0], [9], 10), Landing(10, 20, [10], [20], 11)]) == 10


def test_what_compaction_has_dropped_is_no_difference() -> None:
    verdict = Verdict("t", 0, 0, 10)
    kept = np.array([3, 7, 9], np.int64)
    audit._count([_landing(set(range(10)))], kept, 3, verdict, compacted=True)
    assert verdict.ok
    audit._count([_landing(set(range(9)))], kept, 3, verdict, compacted=True)
    assert verdict.gaps == 1


def test_a_first_insert_that_was_lost_is_not_passed_over() -> None:
    assert audit._start(0, [Landing(10, 20, [10], [20], 11)]) == 0
