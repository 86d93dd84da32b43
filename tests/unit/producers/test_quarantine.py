"""What a dead letter says, once the fault is mended."""

from datetime import UTC, datetime

import pytest

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import EDGE_PAYLOAD_KEPT, Rejected, dead_letter
from corridor.models import DeadLetter, Origin, TrackingEvent
from producers import quarantine
from producers.adapter import Format, Item, event
from producers.formats import BY_NAME

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def letter(payload: bytes, origin: Origin, key: bytes | None = None) -> DeadLetter:
    why = Rejected(Reject.MALFORMED, None, "was wrong")
    return dead_letter(why, origin=origin, key=key, payload=payload, time=NOW, source="the-railway")


def departure(unit: str = "U1", source: str = "the-railway") -> TrackingEvent:
    return event(
        event_id="1",
        source=source,
        event_type="TRANSPORT",
        code="DEPARTED",
        event_time=NOW,
        unit_id=unit,
    )


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads `UNIT` a line; `!` is a fault."""
    if b"!" in message:
        return [Rejected(Reject.UNKNOWN_CODE, "line[1]", "no such word: !")]
    return [departure(unit, sender) for unit in message.decode().split()]


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    format = Format(
        "words", "Words", decode, topics.CARRIER.name, "text/plain", recognises=lambda _: False
    )
    monkeypatch.setitem(BY_NAME, "words", format)


def test_a_message_of_a_gateway_gives_the_events_that_a_clean_one_would() -> None:
    messages = quarantine.read(letter(b"U1 U2", Origin(format="words")))
    assert messages == [
        ("tracking.carrier", b"U1", departure("U1").to_json()),
        ("tracking.carrier", b"U2", departure("U2").to_json()),
    ]


def test_a_message_that_still_cannot_be_read_stays_with_todays_reason() -> None:
    assert quarantine.read(letter(b"U1 !", Origin(format="words"))) == Rejected(
        Reject.UNKNOWN_CODE, "line[1]", "no such word: !"
    )


def test_a_format_that_this_release_does_not_have_is_named() -> None:
    rejected = quarantine.read(letter(b"U1", Origin(format="cuneiform")))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, "cuneiform" in rejected.detail) == (Reject.UNSUPPORTED, True)


def test_a_record_goes_back_to_its_topic_byte_for_byte() -> None:
    payload = departure().to_json()
    origin = Origin(topic="tracking.port", partition=3, offset=7)
    assert quarantine.read(letter(payload, origin)) == [("tracking.port", b"U1", payload)]


def test_a_record_with_a_wrong_key_gets_the_right_one() -> None:
    origin = Origin(topic="tracking.port", partition=3, offset=7)
    messages = quarantine.read(letter(departure().to_json(), origin, key=b"other"))
    assert messages == [("tracking.port", b"U1", departure().to_json())]


def test_what_workers_write_is_not_repeated() -> None:
    rejected = quarantine.read(letter(b"{}", Origin(topic="legs.estimates", partition=0, offset=1)))
    assert isinstance(rejected, Rejected)
    assert rejected.reason is Reject.UNSUPPORTED


def test_a_line_of_a_replay_file_is_published_as_the_replay_would() -> None:
    line = b'{"kind":"event",' + departure().to_json()[1:]
    messages = quarantine.read(letter(line, Origin(file="f.jsonl", line=3)))
    assert messages == [("tracking.carrier", b"U1", departure().to_json())]


def test_a_message_of_which_only_the_beginning_is_kept_is_not_replayed() -> None:
    rejected = quarantine.read(letter(b"U" * (EDGE_PAYLOAD_KEPT + 1), Origin(format="words")))
    assert isinstance(rejected, Rejected)
    assert "send it again" in rejected.detail
