"""TRUST: messages of the train movements feed in, events of train runs out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.rail import trust
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def shown(*parts: int) -> str:
    """What the feed writes for a time on a British wall clock."""
    return str(int(utc(*parts).timestamp() * 1000))


def message(kind: str, **body: Any) -> dict[str, Any]:
    header = {
        "msg_type": kind,
        "source_dev_id": "",
        "user_id": "",
        "original_data_source": "SMART",
        "msg_queue_timestamp": shown(2030, 11, 24, 12, 1),
        "source_system_id": "TRUST",
    }
    whole = {
        "train_id": "525L99MX24",
        "current_train_id": "",
        "train_service_code": "52910001",
        "toc_id": "00",
        "train_file_address": None,
    }
    return {"header": header, "body": whole | body}


def movement(**body: Any) -> dict[str, Any]:
    whole = {
        "event_type": "DEPARTURE",
        "planned_timestamp": shown(2030, 11, 24, 11, 50),
        "gbtt_timestamp": "",
        "actual_timestamp": shown(2030, 11, 24, 12, 0),
        "loc_stanox": "52701",
        "timetable_variation": "10",
        "variation_status": "LATE",
        "train_terminated": "false",
        "offroute_ind": "false",
        "correction_ind": "false",
        "planned_event_type": "DEPARTURE",
    }
    return message("0003", **(whole | body))


ACTIVATION = message(
    "0001",
    train_uid="C12345",
    origin_dep_timestamp=shown(2030, 11, 24, 11, 50),
    tp_origin_stanox="",
    sched_origin_stanox="52701",
)
CANCELLATION = message(
    "0002",
    canx_timestamp=shown(2030, 11, 24, 12, 0),
    dep_timestamp=shown(2030, 11, 24, 11, 50),
    canx_type="AT ORIGIN",
    canx_reason_code="PD",
    loc_stanox="52701",
)
REINSTATEMENT = message(
    "0005",
    reinstatement_timestamp=shown(2030, 11, 24, 12, 30),
    dep_timestamp=shown(2030, 11, 24, 11, 50),
    loc_stanox="52701",
)
ORIGIN = message(
    "0006",
    coo_timestamp=shown(2030, 11, 24, 10, 0),
    dep_timestamp=shown(2030, 11, 24, 12, 20),
    loc_stanox="52226",
    reason_code="TH",
)
IDENTITY = message(
    "0007", event_timestamp=shown(2030, 11, 24, 10, 0), revised_train_id="524L99MX24"
)
LOCATION = message(
    "0008",
    event_timestamp=shown(2030, 11, 24, 10, 0),
    dep_timestamp=shown(2030, 11, 24, 13, 0),
    loc_stanox="52226",
    original_loc_stanox="52300",
)


def read(document: Any) -> list[Any]:
    return trust.decode(json.dumps(document).encode(), "railway")


def one(document: Any) -> TrackingEvent:
    (item,) = read(document)
    assert isinstance(item, TrackingEvent), item
    return item


def rejected(document: Any) -> Rejected:
    (item,) = read(document)
    assert isinstance(item, Rejected), item
    return item


@pytest.mark.parametrize(
    ("kind", "code"), [("DEPARTURE", "DEPARTED"), ("ARRIVAL", "ARRIVED"), ("arrival", "ARRIVED")]
)
def test_a_movement_is_of_a_run_at_a_place(kind: str, code: str) -> None:
    told = one(movement(event_type=kind))
    assert (told.event_type, told.code) == (EventType.TRANSPORT, code)
    assert told.classifier is Classifier.ACTUAL
    assert (told.run_id, told.mode) == ("525L99MX24-20301124", Mode.RAIL)
    assert (told.source, told.node_id) == ("railway", "GB-STANOX52701")
    assert told.event_time == utc(2030, 11, 24, 12, 0)


def test_a_list_of_messages_is_read() -> None:
    assert [told.code for told in read([ACTIVATION, movement()])] == ["DEPARTED", "DEPARTED"]


def test_times_are_of_british_wall_clocks() -> None:
    summer = movement(
        train_id="525L99MX24",
        planned_timestamp=shown(2030, 7, 24, 11, 50),
        actual_timestamp=shown(2030, 7, 24, 12, 0),
    )
    told = one(summer)
    assert told.event_time == utc(2030, 7, 24, 11, 0)
    assert told.attributes["planned_time"] == "2030-07-24T10:50:00Z"


def test_the_time_of_the_message_is_utc() -> None:
    summer = movement(
        planned_timestamp=shown(2030, 7, 24, 11, 50), actual_timestamp=shown(2030, 7, 24, 12, 0)
    )
    summer["header"]["msg_queue_timestamp"] = shown(2030, 7, 24, 11, 1)
    assert one(summer).updated_time == utc(2030, 7, 24, 11, 1)


@pytest.mark.parametrize(
    ("variation", "status", "minutes"),
    [("10", "LATE", 10), ("3", "EARLY", -3), ("0", "ON TIME", 0), ("0", "OFF ROUTE", None)],
)
def test_a_variation_is_a_delay(variation: str, status: str, minutes: int | None) -> None:
    told = one(movement(timetable_variation=variation, variation_status=status))
    assert told.attributes.get("delay_minutes") == minutes
    assert told.attributes["variation_status"] == status


def test_an_off_route_train_has_no_planned_time() -> None:
    told = one(movement(planned_timestamp="", variation_status="OFF ROUTE", offroute_ind="true"))
    assert told.attributes["off_route"] is True
    assert "planned_time" not in told.attributes


def test_the_end_of_a_train_is_kept() -> None:
    assert one(movement(train_terminated="true")).attributes["train_terminated"] is True


def test_true_booleans_and_numbers_are_read_as_well() -> None:
    told = one(movement(train_terminated=True, actual_timestamp=1921838400000, loc_stanox=52701))
    assert told.attributes["train_terminated"] is True
    assert told.node_id == "GB-STANOX52701"


@pytest.mark.parametrize(
    ("day", "expected"), [("24", "20301124"), ("23", "20301123"), ("25", "20301125")]
)
def test_a_run_is_of_the_day_that_its_id_ends_in(day: str, expected: str) -> None:
    assert one(movement(train_id=f"525L99MX{day}")).run_id == f"525L99MX{day}-{expected}"


def test_a_run_of_the_last_day_of_a_month_is_of_that_month() -> None:
    told = one(
        movement(
            train_id="525L99MX30",
            planned_timestamp=shown(2030, 12, 1, 0, 20),
            actual_timestamp=shown(2030, 12, 1, 0, 25),
        )
    )
    assert told.run_id == "525L99MX30-20301130"


def test_a_corrected_movement_is_the_same_statement() -> None:
    first = one(movement())
    second = one(movement(actual_timestamp=shown(2030, 11, 24, 12, 3), correction_ind="true"))
    assert first.event_id == second.event_id
    assert second.attributes["correction"] is True


@pytest.mark.parametrize(
    "other",
    [
        {"event_type": "ARRIVAL"},
        {"loc_stanox": "52226"},
        {"planned_timestamp": shown(2030, 11, 24, 13, 50)},
        {"train_id": "525L98MX24"},
    ],
    ids=str,
)
def test_another_movement_place_visit_or_train_is_another_statement(other: dict[str, str]) -> None:
    assert one(movement()).event_id != one(movement(**other)).event_id


def test_an_activation_is_a_planned_departure() -> None:
    told = one(ACTIVATION)
    assert (told.code, told.classifier) == ("DEPARTED", Classifier.PLANNED)
    assert (told.node_id, told.event_time) == ("GB-STANOX52701", utc(2030, 11, 24, 11, 50))
    assert told.attributes["train_uid"] == "C12345"


def test_a_change_of_origin_takes_the_place_of_the_planned_departure() -> None:
    first, second = one(ACTIVATION), one(ORIGIN)
    assert first.event_id == second.event_id
    assert (second.node_id, second.event_time) == ("GB-STANOX52226", utc(2030, 11, 24, 12, 20))


@pytest.mark.parametrize("kind", ["AT ORIGIN", "ON CALL"])
def test_a_train_that_does_not_start_is_cancelled_everywhere(kind: str) -> None:
    CANCELLED = json.loads(json.dumps(CANCELLATION))
    CANCELLED["body"]["canx_type"] = kind
    told = one(CANCELLED)
    assert (told.code, told.node_id) == ("CANCELLED", None)
    assert told.attributes["cancellation_reason"] == "PD"


@pytest.mark.parametrize("kind", ["EN ROUTE", "OUT OF PLAN"])
def test_a_train_that_ends_on_its_way_is_cancelled_from_there(kind: str) -> None:
    cancelled = json.loads(json.dumps(CANCELLATION))
    cancelled["body"]["canx_type"] = kind
    assert one(cancelled).node_id == "GB-STANOX52701"


def test_a_reinstatement_takes_the_cancellation_back() -> None:
    first, second = one(CANCELLATION), one(REINSTATEMENT)
    assert first.event_id == second.event_id
    assert (first.retracted, second.retracted) == (False, True)


def test_a_change_of_identity_moves_nothing() -> None:
    told = one(IDENTITY)
    assert (told.event_type, told.run_id) == (EventType.SHIPMENT, "525L99MX24-20301124")
    assert told.attributes["revised_train_id"] == "524L99MX24"


def test_a_change_of_location_is_a_planned_departure() -> None:
    told = one(LOCATION)
    assert (told.node_id, told.classifier) == ("GB-STANOX52226", Classifier.PLANNED)
    assert told.attributes["original_stanox"] == "52300"


@pytest.mark.parametrize(
    ("document", "reason", "field"),
    [
        (message("0004"), Reject.UNSUPPORTED, "header.msg_type"),
        ({"header": {}}, Reject.MALFORMED, None),
        (None, Reject.MALFORMED, None),
        (movement(event_type="FLIGHT"), Reject.UNKNOWN_CODE, "body.event_type"),
        (movement(actual_timestamp=""), Reject.MALFORMED, "body.actual_timestamp"),
        (movement(actual_timestamp="soon"), Reject.MALFORMED, "body.actual_timestamp"),
        (movement(actual_timestamp="9" * 14), Reject.MALFORMED, "event_time"),
        (movement(loc_stanox=""), Reject.MALFORMED, "body.loc_stanox"),
        (movement(train_id=""), Reject.MALFORMED, "body.train_id"),
        (movement(train_id="525L99MXXX"), Reject.MALFORMED, "body.train_id"),
        (message("0007", event_timestamp="0"), Reject.MALFORMED, "body.revised_train_id"),
    ],
)
def test_a_message_that_cannot_be_read_says_why(
    document: Any, reason: Reject, field: str | None
) -> None:
    where = f"messages[0].{field}" if field else "messages[0]"
    assert rejected(document)[:2] == (reason, where)


def test_a_bad_message_does_not_spoil_the_others() -> None:
    good, bad = read([movement(), message("0004")])
    assert isinstance(good, TrackingEvent)
    assert isinstance(bad, Rejected)


def test_an_empty_list_says_nothing() -> None:
    assert read([]) == []


def test_a_byte_order_mark_is_no_fault() -> None:
    (item,) = trust.decode(b"\xef\xbb\xbf" + json.dumps(movement()).encode(), "x")
    assert isinstance(item, TrackingEvent)


def test_messages_are_recognised() -> None:
    assert trust.FORMAT.recognises(json.dumps([movement()]).encode())
    assert not trust.FORMAT.recognises(b'{"event_type": "TRANSPORT"}')


SAMPLES = tuple(
    json.dumps(document).encode()
    for document in (movement(), [ACTIVATION, CANCELLATION], [REINSTATEMENT, ORIGIN, IDENTITY])
)


@FUZZ
@given(spoiled(*SAMPLES))
def test_a_spoiled_message_gives_only_items(text: bytes) -> None:
    gives_only_items(trust.FORMAT, text)
