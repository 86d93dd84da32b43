"""Messages of every kind, made up by hypothesis, and the records that carry them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st
from kafka import TopicPartition

from corridor.codes import (
    CODES,
    AlertFlag,
    AlertKind,
    AlertState,
    Cause,
    Channel,
    Classifier,
    DeliveryOutcome,
    Ending,
    EventType,
    Level,
    Mode,
    Order,
    Reject,
    Signal,
    Stage,
)
from corridor.models import (
    Affected,
    DeadLetter,
    Delivery,
    Handling,
    Incident,
    Itinerary,
    Leg,
    LegEstimate,
    LegOutcome,
    Message,
    Origin,
    PartyShare,
    Prediction,
    TrackingEvent,
    Why,
)

T = TypeVar("T")


class Record(NamedTuple):
    """As much of a record as a reader needs."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


PARTITION = TopicPartition("topic", 3)


def records(values: Sequence[Message | bytes | None]) -> list[Record]:
    """Consecutive records, from offset 10 on."""
    return [
        Record(
            10 + position,
            1_700_000_000_000 + position,
            b"key",
            value.model_dump_json().encode() if isinstance(value, Message) else value,
        )
        for position, value in enumerate(values)
    ]


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
zones = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=3.5))])
times = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=zones)
sequences = st.integers(0, 2**31)
scalars = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)


def maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """A value or none."""
    return st.none() | strategy


@st.composite
def events(draw: st.DrawFn) -> TrackingEvent:
    """Events of every type and code."""
    kind = draw(st.sampled_from(EventType))
    unit, run = draw(st.tuples(maybe(ids), maybe(ids)).filter(any))
    return TrackingEvent(
        event_id=draw(ids),
        source=draw(ids),
        event_type=kind,
        code=draw(st.sampled_from(sorted(CODES[kind]))),
        classifier=draw(st.sampled_from(Classifier)),
        event_time=draw(times),
        updated_time=draw(times),
        retracted=draw(st.booleans()),
        unit_id=unit,
        run_id=run,
        shipment_id=draw(maybe(ids)),
        mode=draw(maybe(st.sampled_from(Mode))),
        node_id=draw(maybe(ids)),
        latitude=draw(maybe(st.floats(-90, 90))),
        longitude=draw(maybe(st.floats(-180, 180))),
        delay_reasons=tuple(draw(st.lists(ids, max_size=3))),
        attributes=draw(st.dictionaries(ids, scalars, max_size=3)),
    )


@st.composite
def itineraries(draw: st.DrawFn) -> Itinerary:
    """Itineraries of one to four legs."""
    return Itinerary(
        unit_id=draw(ids),
        shipment_id=draw(ids),
        corridor_id=draw(ids),
        version=draw(st.integers(1, 2**31)),
        issued_time=draw(times),
        parties=tuple(draw(st.lists(ids, max_size=3))),
        legs=tuple(
            Leg(
                leg_id=draw(ids),
                sequence=sequence,
                mode=draw(st.sampled_from(Mode)),
                from_node=draw(ids),
                to_node=draw(ids),
                run_id=draw(maybe(ids)),
                service_id=draw(maybe(ids)),
                carrier_id=draw(maybe(ids)),
                planned_departure=(departure := draw(times)),
                planned_arrival=departure + timedelta(hours=draw(st.integers(1, 1000))),
                cutoff=draw(maybe(times)),
            )
            for sequence in sorted(draw(st.sets(sequences, min_size=1, max_size=4)))
        ),
    )


estimates = st.builds(
    LegEstimate,
    estimate_id=ids,
    unit_id=ids,
    shipment_id=ids,
    corridor_id=ids,
    leg_id=ids,
    sequence=sequences,
    mode=st.sampled_from(Mode),
    run_id=maybe(ids),
    stage=st.sampled_from(Stage),
    planned_departure=times,
    planned_arrival=times,
    eta_p05=maybe(times),
    eta_p10=maybe(times),
    eta_p25=maybe(times),
    eta_p50=maybe(times),
    eta_p75=maybe(times),
    eta_p90=maybe(times),
    eta_p95=maybe(times),
    delay_seconds=maybe(st.floats(-1e9, 1e9)),
    late_probability=maybe(st.floats(0, 1)),
    evidence=ids,
    signal=st.sampled_from(Signal),
    model_version=ids,
    as_of=times,
    caused_by=ids,
)

outcomes = st.builds(
    LegOutcome,
    outcome_id=ids,
    unit_id=ids,
    shipment_id=ids,
    corridor_id=ids,
    leg_id=ids,
    sequence=sequences,
    mode=st.sampled_from(Mode),
    from_node=ids,
    to_node=ids,
    run_id=maybe(ids),
    service_id=maybe(ids),
    carrier_id=maybe(ids),
    ending=st.sampled_from(Ending),
    retracted=st.booleans(),
    planned_departure=times,
    planned_arrival=times,
    actual_departure=maybe(times),
    actual_arrival=maybe(times),
    predictions=st.lists(
        st.builds(
            Prediction,
            stage=st.sampled_from(Stage),
            as_of=times,
            eta_p50=times,
            evidence=ids,
            model_version=ids,
        ),
        max_size=3,
    ).map(tuple),
    as_of=times,
    updated_time=times,
    caused_by=ids,
)

dead_letters = st.builds(
    DeadLetter,
    dead_letter_id=ids,
    reason=st.sampled_from(Reject),
    field=maybe(ids),
    detail=ids,
    source=maybe(ids),
    origin=st.builds(
        Origin,
        topic=maybe(ids),
        partition=maybe(st.integers(0, 1000)),
        offset=maybe(st.integers(0, 2**60)),
        file=maybe(ids),
        line=maybe(st.integers(1, 2**40)),
    ),
    key=maybe(st.just("a2V5")),
    payload=st.just("e30="),
    rejected_time=times,
)

seconds = st.floats(-1e9, 1e9)
counts = st.integers(0, 2**31)

incidents = st.builds(
    Incident,
    incident_id=ids,
    dedup_key=ids,
    revision=st.integers(1, 2**31),
    kind=st.sampled_from(AlertKind),
    cause=st.sampled_from(Cause),
    subject=ids,
    level=st.sampled_from(Level),
    state=st.sampled_from(AlertState),
    flags=st.lists(st.sampled_from(AlertFlag), max_size=2).map(tuple),
    opened_time=maybe(times),
    changed_time=times,
    resolved_time=maybe(times),
    as_of=times,
    late=st.booleans(),
    reason=ids,
    why=st.builds(
        Why,
        rule=ids,
        fact=st.booleans(),
        probability=maybe(st.floats(0, 1)),
        threshold_seconds=maybe(seconds),
        value_seconds=maybe(seconds),
        planned_time=maybe(times),
        expected_time=maybe(times),
        since=maybe(times),
        node_id=maybe(ids),
        evidence=maybe(ids),
        model_version=maybe(ids),
        caused_by=ids,
    ),
    corridor_id=maybe(ids),
    leg_id=maybe(ids),
    node_id=maybe(ids),
    mode=maybe(st.sampled_from(Mode)),
    affected=st.lists(
        st.builds(
            Affected,
            unit_id=ids,
            shipment_id=ids,
            parties=st.lists(ids, max_size=2).map(tuple),
            leg_id=ids,
            level=st.sampled_from(Level),
            expected_time=maybe(times),
            delay_seconds=maybe(seconds),
        ),
        max_size=3,
    ).map(tuple),
    unit_count=counts,
    shipment_count=counts,
    parties=st.lists(
        st.builds(PartyShare, party=ids, units=counts, shipments=counts), max_size=3
    ).map(tuple),
    parent=maybe(ids),
    children=st.lists(ids, max_size=2).map(tuple),
    handling=st.lists(
        st.builds(
            Handling,
            order=st.sampled_from([Order.ACK, Order.SILENCE]),
            party=maybe(ids),
            by=ids,
            since=times,
            until=maybe(times),
        ),
        max_size=2,
    ).map(tuple),
    caused_by=ids,
)

deliveries = st.builds(
    Delivery,
    delivery_id=ids,
    message_id=ids,
    subscription_id=ids,
    party=ids,
    incident_id=ids,
    revision=st.integers(1, 2**31),
    channel=st.sampled_from(Channel),
    attempt=st.integers(1, 100),
    outcome=st.sampled_from(DeliveryOutcome),
    status_code=maybe(st.integers(100, 599)),
    detail=st.just("") | ids,
    started_time=times,
    duration_seconds=st.floats(0, 1e6),
    next_attempt_time=maybe(times),
)
