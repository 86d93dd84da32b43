"""What becomes of a message: what is published, where, and what is kept of the rest."""

import base64
import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import EDGE_PAYLOAD_KEPT, Rejected
from corridor.models import Itinerary, TrackingEvent
from producers.adapter import Format, Item
from producers.intake import ITEM_BYTES, Intake, Taken, judge
from producers.publisher import LIMITS
from tests.unit.producers.push.fakes import FakePublisher
from tests.unit.samples import EVENT, ITINERARY

EVENT_ = TrackingEvent.model_validate(EVENT)
ITINERARY_ = Itinerary.model_validate(ITINERARY)
FAULT = Rejected(Reject.UNSUPPORTED, "kind", "we do not read this")


def format(*items: Item, topic: str | None = topics.CUSTOMS.name) -> Format:
    return Format(
        "test", "Test", lambda m, s: list(items), topic, "text/plain", lambda message: True
    )


def changed(**fields: Any) -> TrackingEvent:
    return TrackingEvent.model_validate(EVENT | fields)


def take(
    of: Format,
    message: bytes = b"message",
    *,
    names: Collection[str] | None = None,
    whole: bool = False,
) -> tuple[Taken, FakePublisher]:
    kafka = FakePublisher()
    intake = Intake(kafka)  # type: ignore[arg-type]
    taken = intake.take(of, message, sender="acme", channel="/here", names=names, whole=whole)
    kafka.flush()
    return taken, kafka


def letters(kafka: FakePublisher) -> list[dict[str, Any]]:
    return [json.loads(letter) for letter in kafka.dead_letters]


# where things go --------------------------------------------------------------------------------


def test_an_event_goes_to_the_topic_of_its_format_by_its_subject() -> None:
    _, kafka = take(format(EVENT_))
    assert kafka.topic(topics.CUSTOMS.name) == [(b"CSQU3054383", EVENT_.to_json())]


def test_without_a_topic_an_event_goes_where_its_type_belongs() -> None:
    _, kafka = take(format(EVENT_, topic=None))
    assert kafka.topic(topics.IOT.name) == [(b"CSQU3054383", EVENT_.to_json())]


def test_an_itinerary_goes_to_the_itineraries() -> None:
    _, kafka = take(format(ITINERARY_))
    assert kafka.topic(topics.ITINERARIES.name) == [(b"CSQU3054383", ITINERARY_.to_json())]


def test_an_event_of_a_run_is_keyed_by_it() -> None:
    event = changed(unit_id=None, run_id="R1", shipment_id="S1")
    _, kafka = take(format(event))
    assert [key for key, _ in kafka.topic(topics.CUSTOMS.name)] == [b"R1"]


# what is rejected --------------------------------------------------------------------------------


def test_the_good_of_a_message_is_published_and_the_whole_message_kept_once() -> None:
    taken, kafka = take(format(EVENT_, FAULT, FAULT))
    assert (taken.accepted, taken.rejected) == ([EVENT_], [FAULT, FAULT])
    [letter] = letters(kafka)
    assert base64.b64decode(letter["payload"]) == b"message"
    assert letter["detail"] == "we do not read this (and 1 more)"
    assert letter["field"] == "kind"
    assert letter["source"] == "acme"
    assert letter["origin"] == {"format": "test", "channel": "/here"}


def test_all_or_nothing_publishes_nothing_beside_a_fault() -> None:
    taken, kafka = take(format(EVENT_, FAULT), whole=True)
    assert taken == Taken([], [FAULT])
    assert not kafka.topic(topics.CUSTOMS.name)
    assert len(letters(kafka)) == 1


def test_all_or_nothing_publishes_all_where_there_is_no_fault() -> None:
    _, kafka = take(format(EVENT_), whole=True)
    assert len(kafka.topic(topics.CUSTOMS.name)) == 1


def test_the_same_message_is_the_same_dead_letter_whatever_way_it_came() -> None:
    kafka = FakePublisher()
    intake = Intake(kafka)  # type: ignore[arg-type]
    intake.take(format(FAULT), b"x", sender="acme", channel="/here")
    intake.take(format(FAULT), b"x", sender="acme", file="x.txt")
    intake.take(format(FAULT), b"y", sender="acme", file="x.txt")
    kafka.flush()
    first, second, third = (letter["dead_letter_id"] for letter in letters(kafka))
    assert first == second != third


def test_a_decoder_that_fails_costs_no_message() -> None:
    def broken(message: bytes, sender: str) -> list[Item]:
        raise ZeroDivisionError("oh")

    failing = Format("test", "Test", broken, None, "text/plain", lambda message: True)
    taken, kafka = take(failing)
    assert [fault.reason for fault in taken.rejected] == [Reject.DECODER_FAILED]
    assert len(letters(kafka)) == 1


def test_a_page_without_events_is_no_fault() -> None:
    taken, kafka = take(format())
    assert (taken.accepted, taken.rejected, letters(kafka)) == ([], [], [])


@pytest.mark.parametrize(("names", "may"), [(None, True), ({"lock"}, True), ({"acme"}, False)])
def test_a_sender_speaks_only_in_names_that_are_its_own(
    names: Collection[str] | None, may: bool
) -> None:
    taken, _ = take(format(EVENT_), names=names)
    assert [fault.reason for fault in taken.rejected] == ([] if may else [Reject.FOREIGN_SOURCE])


SOON = datetime.now(UTC) + timedelta(hours=23)
LATER = datetime.now(UTC) + timedelta(hours=25)


@pytest.mark.parametrize(
    ("item", "may"),
    [
        (changed(event_time=SOON), True),
        (changed(event_time=LATER), False),
        (changed(event_time=LATER, classifier="ESTIMATED"), True),
        (changed(event_time=LATER, classifier="PLANNED"), True),
        (Itinerary.model_validate(ITINERARY | {"issued_time": SOON}), True),
        (Itinerary.model_validate(ITINERARY | {"issued_time": LATER}), False),
    ],
)
def test_what_happened_is_not_in_the_future(item: Item, may: bool) -> None:
    taken = judge(format(item), b"", "acme")
    assert [fault.reason for fault in taken.rejected] == ([] if may else [Reject.FUTURE])


# sizes -------------------------------------------------------------------------------------------


def test_an_event_that_kafka_would_not_take_is_a_fault() -> None:
    large = changed(attributes={"text": "x" * 1_100_000})
    taken = judge(format(large, EVENT_), b"m" * 1_100_000, "acme")
    assert taken.accepted == [EVENT_]
    assert "larger than" in taken.rejected[0].detail
    assert LIMITS[topics.CUSTOMS.name] > ITEM_BYTES + 2_000


@pytest.mark.parametrize("byte", [b"x", b"\x00", b"\xff", "字".encode()])
def test_a_dead_letter_of_an_edge_is_whole_and_always_fits(byte: bytes) -> None:
    message = (byte * EDGE_PAYLOAD_KEPT)[:EDGE_PAYLOAD_KEPT]
    fault = Rejected(Reject.MALFORMED, "\x01" * 100_000, "\x01" * 100_000)
    kafka = FakePublisher()
    Intake(kafka).take(  # type: ignore[arg-type]
        format(fault), message, sender="\x01" * 500, channel="\x01" * 2000, file="\x01" * 4000
    )
    kafka.flush()
    [(key, value)] = kafka.topic(topics.DEAD_LETTERS.name)
    assert base64.b64decode(json.loads(value)["payload"]) == message
    assert len(key) + len(value) <= LIMITS[topics.DEAD_LETTERS.name]


def test_a_dead_letter_of_a_larger_message_says_what_is_left_out() -> None:
    _, kafka = take(format(FAULT), b"x" * (EDGE_PAYLOAD_KEPT + 1))
    assert "only the first 4,000,000 bytes are kept" in letters(kafka)[0]["detail"]
