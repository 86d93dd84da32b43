"""Views say what the messages say, corrected, taken back and repeated as they are."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka import TopicPartition

from bench.cookbook.told import Told, delay, quantile
from bench.directly import Stored, insert
from corridor import topics
from corridor.lateness import LATE_BY
from corridor.models import LegOutcome, TrackingEvent
from sinks.clickhouse import schema
from sinks.clickhouse.tables import EVENTS, OUTCOMES
from sinks.clickhouse.views.performance import HORIZONS_HOURS, RELEASES, STOPS
from tests.integration.sinks.flow import START, outcome
from tests.integration.sinks.history import Landed, landed, settings_of
from tests.support import ClickHouse, unique_name

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def history(clickhouse: ClickHouse) -> Iterator[Landed]:
    history = landed(clickhouse)
    yield history
    history.client.execute(f"DROP DATABASE {history.name}")


@pytest.fixture(scope="module")
def told(history: Landed) -> Told:
    return history.told


def test_the_history_has_what_makes_it_hard(history: Landed, told: Told) -> None:
    [(rows, held)] = history.query(
        "SELECT (SELECT count() FROM events), (SELECT count() FROM current_events)"
    )
    assert rows > held == len(told.events)
    assert any(heard.event.retracted for heard in told.newest.values())
    assert len(told.plans) > len(told.itineraries)


def test_current_legs_are_the_plan_and_what_came_of_it(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT unit_id, shipment_id, sequence, leg_id, ending, actual_departure, actual_arrival, "
        "delay_seconds, planned_arrival, stage FROM current_legs"
    )
    found = {row[:3]: row[3:] for row in rows}
    assert len(rows) == len(found) == len(told.legs)
    for key, leg in told.legs.items():
        outcome = told.outcomes.get(key)
        said = told.estimates[key][-1].estimate
        expected = outcome.actual_arrival if outcome else said.eta_p50
        late = (expected - leg.planned_arrival).total_seconds() if expected else None
        assert found[key] == (
            leg.leg_id,
            outcome.ending if outcome else "",
            told.departure(key),
            outcome.actual_arrival if outcome else None,
            pytest.approx(late),
            leg.planned_arrival,
            "DONE" if outcome else said.stage,
        )


def test_a_unit_stands_where_its_first_unfinished_leg_is(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT unit_id, shipment_id, legs, legs_done, leg_id, destination, expected_arrival "
        "FROM current_units"
    )
    assert len(rows) == len(told.itineraries)
    for unit, shipment, legs, done, leg_id, destination, expected in rows:
        plan = told.itineraries[unit, shipment]
        open_ = [leg for leg in plan.legs if (unit, shipment, leg.sequence) not in told.outcomes]
        assert (legs, done) == (len(plan.legs), len(plan.legs) - len(open_))
        assert leg_id == (open_ or plan.legs[-1:])[0].leg_id
        assert destination == plan.legs[-1].to_node
        last = told.outcomes.get((unit, shipment, plan.legs[-1].sequence))
        if last is not None:
            assert expected == last.actual_arrival


def test_a_shipment_is_done_when_all_of_its_units_are(history: Landed, told: Told) -> None:
    rows = history.query("SELECT shipment_id, units, units_done, stage FROM current_shipments")
    expected: dict[str, list[bool]] = defaultdict(list)
    for (unit, shipment), plan in told.itineraries.items():
        expected[shipment].append(
            all((unit, shipment, leg.sequence) in told.outcomes for leg in plan.legs)
        )
    assert {row[0]: row[1:3] for row in rows} == {
        shipment: (len(done), sum(done)) for shipment, done in expected.items()
    }
    assert {row[0] for row in rows if row[3] == "DONE"} == {
        shipment for shipment, done in expected.items() if all(done)
    }


def by_day(arrivals: list[LegOutcome]) -> dict[tuple[Any, ...], list[LegOutcome]]:
    found: dict[tuple[Any, ...], list[LegOutcome]] = defaultdict(list)
    for one in arrivals:
        assert one.actual_arrival is not None
        key = (one.actual_arrival.date(), one.leg_id, one.service_id or "", one.carrier_id or "")
        found[key].append(one)
    return found


def test_leg_days_are_the_quantiles_of_all_arrivals(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT day, leg_id, service_id, carrier_id, legs, late, delay_mean, delay_p50, delay_p90, "
        "transit_p50, transit_p90 FROM leg_days"
    )
    expected = by_day(told.arrivals)
    assert {row[:4] for row in rows} == set(expected)
    for row in rows:
        ended = expected[row[:4]]
        delays = [delay(one) for one in ended]
        late = sum(d >= LATE_BY[one.mode] * 60 for d, one in zip(delays, ended, strict=True))
        times = [
            (one.actual_arrival - one.actual_departure).total_seconds()
            for one in ended
            if one.actual_departure and one.actual_arrival
        ]
        assert row[4:6] == (len(ended), late)
        assert row[6:9] == pytest.approx(
            (sum(delays) / len(delays), quantile(delays, 0.5), quantile(delays, 0.9))
        )
        if times:
            assert row[9:] == pytest.approx((quantile(times, 0.5), quantile(times, 0.9)))


def test_hours_add_up_to_any_longer_time(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT carrier_id, quantilesExactInclusiveMerge(0.1, 0.5, 0.9, 0.95)(delay_state) "
        "FROM leg_hours GROUP BY carrier_id"
    )
    delays = defaultdict(list)
    for one in told.arrivals:
        delays[one.carrier_id].append(delay(one))
    assert dict(rows) == {
        carrier: pytest.approx([quantile(of, level) for level in (0.1, 0.5, 0.9, 0.95)])
        for carrier, of in delays.items()
    }


def test_node_stays_last_from_an_arrival_to_the_next_departure(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT unit_id, shipment_id, node_id, arrived, departed, planned_dwell_seconds "
        "FROM node_stays"
    )
    assert sorted(rows, key=str) == sorted(map(tuple, told.stays), key=str)


def dwell_p90(stays: list[float | None]) -> Any:
    ended = [seconds for seconds in stays if seconds is not None]
    return pytest.approx(quantile(ended, 0.9)) if ended else None


def test_node_days_are_of_the_stays_that_began(history: Landed, told: Told) -> None:
    rows = history.query("SELECT day, node_id, stays, still_there, dwell_p90 FROM node_days")
    stays = defaultdict(list)
    for stay in told.stays:
        ended = (stay.departed - stay.arrived).total_seconds() if stay.departed else None
        stays[stay.arrived.date(), stay.node_id].append(ended)
    assert {row[:2]: row[2:] for row in rows} == {
        key: (
            len(of),
            of.count(None),
            dwell_p90(of),
        )
        for key, of in stays.items()
    }


def test_a_border_passage_lasts_from_arrival_to_hand_over(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT run_id, unit_id, node_id, arrived, handed_over, passage_seconds "
        "FROM border_passages"
    )
    times: dict[tuple[str, str, str], dict[str, datetime]] = defaultdict(dict)
    codes = {"ARRIVED_BORDER", "HANDED_OVER", "GAUGE_CHANGE_START", "GAUGE_CHANGE_END"}
    for event in told.happened:
        if event.code in codes:
            of = times[event.run_id or "", event.unit_id or "", event.node_id or ""]
            of[event.code] = min(event.event_time, of.get(event.code, event.event_time))
    expected = set()
    for key, of in times.items():
        begin, end = of.get("ARRIVED_BORDER"), of.get("HANDED_OVER")
        expected.add((*key, begin, end, (end - begin).total_seconds() if begin and end else None))
    assert set(rows) == expected
    assert len(rows) == len(expected) > 10


def test_customs_time_runs_from_the_last_arrival_of_the_unit(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT unit_id, node_id, arrived, stopped, released FROM customs_clearances"
    )
    arrivals = defaultdict(list)
    for one in told.arrivals:
        arrivals[one.unit_id, one.to_node].append(one.actual_arrival)
    expected: dict[tuple[Any, ...], list[TrackingEvent]] = defaultdict(list)
    for event in told.happened:
        if event.code in (*RELEASES, *STOPS) and event.unit_id and event.event_type != "SHIPMENT":
            before = [
                time
                for time in arrivals[event.unit_id, event.node_id or ""]
                if time and time <= event.event_time
            ]
            if before:
                expected[event.unit_id, event.node_id, max(before)].append(event)

    def first(events: list[TrackingEvent], codes: tuple[str, ...]) -> datetime | None:
        return min((event.event_time for event in events if event.code in codes), default=None)

    assert {row[:3]: row[3:] for row in rows} == {
        key: (first(events, STOPS), first(events, RELEASES)) for key, events in expected.items()
    }
    assert any(row[3] for row in rows)


def test_horizons_show_what_was_believed_then(history: Landed, told: Told) -> None:
    rows = history.query(
        "SELECT unit_id, shipment_id, sequence, horizon_hours, eta_p50, as_of, error_seconds, "
        "inside_90 FROM eta_horizons"
    )
    expected = {}
    for one in told.arrivals:
        key = (one.unit_id, one.shipment_id, one.sequence)
        assert one.actual_arrival is not None
        for hours in HORIZONS_HOURS:
            said = told.believed(key, one.actual_arrival - timedelta(hours=hours))
            if said is not None and said.eta_p50 is not None:
                inside = (
                    said.eta_p05 <= one.actual_arrival <= said.eta_p95
                    if said.eta_p05 and said.eta_p95
                    else None
                )
                error = (one.actual_arrival - said.eta_p50).total_seconds()
                expected[*key, hours] = (said.eta_p50, said.as_of, pytest.approx(error), inside)
    assert {row[:4]: row[4:] for row in rows} == expected
    assert len(rows) == len(expected)


def test_accuracy_is_the_mean_over_the_horizons(history: Landed) -> None:
    [(differing, compared)] = history.query(
        "SELECT countIf(abs(a.mean_absolute_error - h.mae) > 1e-3 "
        "OR abs(a.coverage_90 - h.inside) > 1e-9 OR a.legs != h.n), count() "
        "FROM eta_accuracy AS a INNER JOIN (SELECT leg_id, horizon_hours, count() AS n, "
        "sum(abs(error_seconds)) / n AS mae, sum(inside_90) / countIf(inside_90 IS NOT NULL) "
        "AS inside FROM eta_horizons GROUP BY leg_id, horizon_hours) AS h "
        "USING (leg_id, horizon_hours)"
    )
    assert differing == 0
    assert compared > 50


def test_a_reason_counts_for_the_leg_under_way_when_it_was_told(
    history: Landed, told: Told
) -> None:
    rows = history.query("SELECT outcome_id, reason, source FROM delay_reasons")
    expected = set()
    for one in told.arrivals:
        if one.actual_departure is None or one.actual_arrival is None:
            continue
        for event, _ in told.events:
            of_run = event.run_id and event.run_id == one.run_id
            of_unit = not event.run_id and event.unit_id == one.unit_id
            said = event.event_time if event.classifier == "ACTUAL" else event.updated_time
            if (
                (of_run or of_unit)
                and event.unit_id in (None, one.unit_id)
                and one.actual_departure <= said <= one.actual_arrival
            ):
                expected |= {(one.outcome_id, r, event.source) for r in event.delay_reasons}
    assert set(rows) == expected
    assert len(rows) == len(expected) > 10


def test_a_source_is_known_by_what_it_repeats_corrects_and_takes_back(
    history: Landed, told: Told
) -> None:
    rows = history.query(
        "SELECT source, deliveries, repeats, corrections, retracted, events, longest_silence, "
        "lateness_p50 FROM source_health"
    )
    heard = defaultdict(list)
    for one in told.heard:
        heard[one.event.source].append(one)
    assert {row[0] for row in rows} == set(heard)
    for source, deliveries, repeats, corrections, retracted, events, silence, lateness in rows:
        of = heard[source]
        versions = {(one.event.event_id, one.event.updated_time) for one in of}
        ids = {one.event.event_id for one in of}
        assert (deliveries, repeats, corrections, events) == (
            len(of),
            len(of) - len(versions),
            len(versions) - len(ids),
            len(ids),
        )
        newest = [h for (party, _), h in told.newest.items() if party == source]
        assert retracted == sum(h.event.retracted for h in newest)
        moments = sorted(e.event_time for e in told.happened if e.source == source)
        silences = [(b - a).total_seconds() for a, b in pairwise(moments)]
        assert silence == pytest.approx(max(silences) if silences else None, abs=0.002)
        late = [
            (one.time - one.event.event_time).total_seconds()
            for one in of
            if one.event.classifier == "ACTUAL"
            and not one.event.retracted
            and one.event.event_time <= one.time + timedelta(days=1)
        ]
        if len(late) > 200:  # a digest is an estimate
            assert quantile(late, 0.45) <= lateness <= quantile(late, 0.55)
    assert sum(row[2] for row in rows) > 0 < sum(row[3] for row in rows)


# one database for what follows; each test has its own corridor ---------------------------------


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouse) -> Iterator[Client]:
    name = unique_name()
    schema.apply(settings_of(clickhouse, name))
    client = Client(clickhouse.host, clickhouse.port, database=name)
    yield client
    client.execute(f"DROP DATABASE {name}")


def tell(client: Client, said: list[LegOutcome], first: int = 0) -> None:
    records = [
        Stored(first + n, 1_767_225_600_000 + n, b"", one.to_json()) for n, one in enumerate(said)
    ]
    [(name,)] = client.execute("SELECT currentDatabase()")
    insert(client, name, OUTCOMES, TopicPartition(topics.OUTCOMES.name, 0), records)


def test_what_is_corrected_and_taken_back_is_gone_from_the_figures(database: Client) -> None:
    corridor = unique_name()
    later = START + timedelta(days=9)
    ended = [outcome(n, corridor_id=corridor, outcome_id=f"{corridor}{n}") for n in range(3)]
    corrected = ended[0].model_copy(
        update={"updated_time": later, "actual_arrival": START + timedelta(hours=30)}
    )
    taken_back = ended[1].model_copy(update={"updated_time": later, "retracted": True})
    tell(database, ended)
    assert delays_of(database, corridor) == (3, pytest.approx([7200.0] * 4))
    tell(database, [corrected, taken_back], first=100)
    assert delays_of(database, corridor) == (2, pytest.approx([720.0, 3600.0, 6480.0, 6840.0]))


def delays_of(client: Client, corridor: str) -> tuple[Any, Any]:
    """How many legs of a corridor arrived, and quantiles of their delays."""
    [(legs, quantiles)] = client.execute(
        "SELECT sum(legs), quantilesExactInclusiveMerge(0.1, 0.5, 0.9, 0.95)(delay_state) "
        f"FROM leg_hours WHERE corridor_id = '{corridor}'"
    )
    return legs, quantiles


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),  # which leg
            st.integers(0, 5),  # its version
            st.integers(-300, 3000),  # delay, minutes
            st.booleans(),  # taken back
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda one: one[:2],
    )
)
def test_whatever_was_said_before_only_the_newest_version_of_each_leg_counts(
    database: Client, versions: list[tuple[int, int, int, bool]]
) -> None:
    corridor = unique_name()
    said = [
        outcome(
            leg,
            corridor_id=corridor,
            outcome_id=f"{corridor}{leg}",
            updated_time=START + timedelta(days=9, hours=version),
            actual_arrival=START + timedelta(hours=30, minutes=minutes),
            retracted=retracted,
        )
        for leg, version, minutes, retracted in versions
    ]
    for n, one in enumerate(said):
        tell(database, [one], first=abs(hash(corridor)) % 10**9 + n)
    newest = {leg: one for leg, _, *one in sorted(versions)}
    delays = [minutes * 60.0 for minutes, retracted in newest.values() if not retracted]
    legs, quantiles = delays_of(database, corridor)
    assert legs == len(delays)
    if delays:
        assert quantiles == pytest.approx([quantile(delays, n) for n in (0.1, 0.5, 0.9, 0.95)])


def test_a_block_that_is_sent_again_is_counted_once(database: Client) -> None:
    source = unique_name()
    [(name,)] = database.execute("SELECT currentDatabase()")
    events = [
        TrackingEvent(
            event_id=f"e{n}",
            source=source,
            event_type="IOT",
            code="BREADCRUMB",
            event_time=START,
            unit_id="U",
        )
        for n in (1, 2, 3, 3)
    ]
    records = [Stored(n, 1_767_225_600_000, b"", e.to_json()) for n, e in enumerate(events)]
    partition = TopicPartition(f"{source}.iot", 0)
    for _ in range(3):
        insert(database, name, EVENTS, partition, records)
    assert database.execute(
        f"SELECT deliveries, repeats, events FROM source_health WHERE source = '{source}'"
    ) == [(4, 1, 3)]
    assert database.execute(
        f"SELECT starts, ends, records, rows FROM landings WHERE topic = '{source}.iot'"
    ) == [([0], [3], 4, 4)]


def test_an_alert_counts_if_it_stood_before_the_arrival_and_each_run_counts_once(
    clickhouse: ClickHouse,
) -> None:
    name = unique_name()
    schema.apply(settings_of(clickhouse, name))
    with Client(clickhouse.host, clickhouse.port, database=name) as database:
        planned = START + timedelta(hours=100)
        columns = "outcome_id, run_id, unit_id, leg_id, mode, ending, planned_arrival"
        database.execute(
            f"INSERT INTO outcomes ({columns}, actual_arrival) VALUES",
            [
                (f"{run}-{unit}", run, unit, "L", "RAIL", "ARRIVED", planned, planned + late)
                for run, units, late in (
                    ("FOUND", ("U1", "U2"), timedelta(hours=5)),
                    ("TOO-LATE", ("U3",), timedelta(hours=5)),
                    ("MISSED", ("U4",), timedelta(hours=5)),
                    ("IN-TIME", ("U5",), timedelta(minutes=59)),
                    ("WRONGLY", ("U6",), timedelta(0)),
                )
                for unit in units
            ],
        )
        database.execute(
            "INSERT INTO incidents (incident_id, revision, kind, cause, subject, leg_id, state,"
            " late, as_of) VALUES",
            [
                (run, n, "DELAY", "RUN", run, "L", state, late, planned + timedelta(hours=hours))
                for run, n, state, late, hours in (
                    ("FOUND", 1, "OPEN", False, -9),
                    ("FOUND", 2, "OPEN", False, -1),
                    ("TOO-LATE", 1, "OPEN", False, 5),
                    ("MISSED", 1, "OPEN", True, -9),  # a correction of history
                    ("WRONGLY", 1, "OPEN", False, -9),
                    ("WRONGLY", 2, "RESOLVED", False, -2),
                )
            ],
        )
        rows = database.execute(
            "SELECT run, late, alerted, lead_seconds FROM alert_runs ORDER BY run"
        )
        assert rows == [
            ("FOUND", 1, 1, 10 * 3600),  # late from an hour after the plan on
            ("IN-TIME", 0, 0, None),
            ("MISSED", 1, 0, None),
            ("TOO-LATE", 1, 0, None),
            ("WRONGLY", 0, 1, None),
        ]
        [quality] = database.execute(
            "SELECT runs, late, alerted, hits, precision, recall, lead_p50 FROM alert_quality"
        )
        assert quality == (5, 3, 2, 1, 0.5, pytest.approx(1 / 3), 10 * 3600)
        database.execute(f"DROP DATABASE {name}")
