"""TAF/TAP TSI: XML of running trains in, events of train runs out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.rail import taf_tsi
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

PLACE = (
    "<CountryCodeISO>PL</CountryCodeISO><LocationPrimaryCode>33605</LocationPrimaryCode>"
    "<PrimaryLocationName>Warszawa</PrimaryLocationName>"
)
NUMBER = (
    "<OperationalTrainNumberIdentifier><OperationalTrainNumber>043521</OperationalTrainNumber>"
    "<ScheduledTimeAtHandover>2030-11-24T06:00:00+01:00</ScheduledTimeAtHandover>"
    "</OperationalTrainNumberIdentifier>"
)


def identifier(kind: str, start: str) -> str:
    return (
        f"<TransportOperationalIdentifiers><ObjectType>{kind}</ObjectType><Company>0051</Company>"
        "<Core>--XY00123456</Core><Variant>00</Variant><TimetableYear>2031</TimetableYear>"
        f"<StartDate>{start}</StartDate></TransportOperationalIdentifiers>"
    )


def message(
    name: str,
    *parts: str,
    status: str = "1",
    made: str = "2030-11-24T08:42:00+01:00",
    head: str = "",
    train: str = NUMBER,
) -> bytes:
    return (
        f'<{name} xmlns="http://www.era.europa.eu/schemes/TAFTSI/3.4"><MessageHeader>'
        "<MessageReference><MessageType>4005</MessageType><MessageIdentifier>m-1"
        f"</MessageIdentifier><MessageDateTime>{made}</MessageDateTime></MessageReference>"
        f'{head}<Sender CI_InstanceNumber="01">0051</Sender><Recipient>2151</Recipient>'
        f"</MessageHeader><MessageStatus>{status}</MessageStatus>{train}"
        f"{''.join(parts)}</{name}>"
    ).encode()


def report(
    status: str = "03",
    time: str = "2030-11-24T08:41:00+01:00",
    more: str = "",
    place: str = PLACE,
) -> str:
    return (
        f"<TrainLocationReport><Location>{place}</Location>"
        f"<LocationDateTime>{time}</LocationDateTime>"
        f"<TrainLocationStatus>{status}</TrainLocationStatus>{more}</TrainLocationReport>"
    )


def information(*parts: str, **header: str) -> bytes:
    return message("TrainRunningInformationMessage", *(parts or (report(),)), **header)


def forecast(*parts: str, **header: str) -> bytes:
    return message("TrainRunningForecastMessage", *(parts or (report(),)), **header)


CAUSE = (
    f"<DelayEventReport><DelayLocation>{PLACE}</DelayLocation>"
    "<TrainLocationStatus>04</TrainLocationStatus><DelayCauseTime><DelayCause>83</DelayCause>"
    "<DelayMinutes>10</DelayMinutes><DelayEventDateTime>2030-11-24T08:31:00+01:00"
    "</DelayEventDateTime></DelayCauseTime></DelayEventReport>"
)
INTERRUPTION = (
    f"<InterruptionPoint><Location>{PLACE}</Location><Interruption>"
    "<InterruptionDateTime>2030-11-24T09:00:00+01:00</InterruptionDateTime>"
    "<InterruptionDescription>points</InterruptionDescription></Interruption></InterruptionPoint>"
)


def read(text: bytes) -> list[Any]:
    return taf_tsi.decode(text, "railway")


def one(text: bytes) -> TrackingEvent:
    (item,) = read(text)
    assert isinstance(item, TrackingEvent), item
    return item


def rejected(text: bytes) -> Rejected:
    (item,) = read(text)
    assert isinstance(item, Rejected), item
    return item


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_information_is_of_a_run_at_a_place() -> None:
    told = one(information())
    assert (told.event_type, told.code) == (EventType.TRANSPORT, "ARRIVED")
    assert told.classifier is Classifier.ACTUAL
    assert (told.run_id, told.mode, told.node_id) == ("43521-20301124", Mode.RAIL, "PL-33605")
    assert told.event_time == utc(2030, 11, 24, 7, 41)
    assert told.updated_time == utc(2030, 11, 24, 7, 42)
    assert told.source == "0051"


def test_a_forecast_is_an_estimate() -> None:
    assert one(forecast()).classifier is Classifier.ESTIMATED


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("01", "ARRIVED"),
        ("02", "DEPARTED"),
        ("03", "ARRIVED"),
        ("04", "DEPARTED"),
        ("05", "DEPARTED"),
        ("3", "ARRIVED"),
    ],
)
def test_every_running_status_is_what_the_table_says(status: str, code: str) -> None:
    assert one(information(report(status))).code == code


def test_a_train_that_passes_says_so() -> None:
    assert one(information(report("05"))).attributes["passed"] is True


@pytest.mark.parametrize("status", ["00", "06", "09", "10", "19", ""])
def test_a_status_that_is_neither_arrival_nor_departure_is_unsupported(status: str) -> None:
    fault = rejected(information(report(status)))
    assert (fault.reason, fault.field) == (
        Reject.UNSUPPORTED,
        "TrainLocationReport[0].TrainLocationStatus",
    )


def test_a_delay_is_against_the_referenced_time() -> None:
    more = (
        "<BookedLocationDateTime>2030-11-24T08:39:00+01:00</BookedLocationDateTime>"
        "<ReferencedLocationDateTime>2030-11-24T08:31:00+01:00</ReferencedLocationDateTime>"
        "<TrainDelay><AgainstReferenced>+0010</AgainstReferenced></TrainDelay>"
    )
    told = one(information(report(more=more))).attributes
    assert (told["delay_minutes"], told["against_referenced"]) == (10.0, "+0010")
    assert told["booked_time"] == "2030-11-24T08:39:00+01:00"


@pytest.mark.parametrize(
    ("cause", "reasons"), [("80", ("STR",)), ("81", ("ANA",)), ("83", ("WEA",)), ("25", ())]
)
def test_a_delay_cause_is_a_reason_where_there_is_one(cause: str, reasons: tuple[str, ...]) -> None:
    told = one(information(report(more=f"<DelayReason>{cause}</DelayReason>")))
    assert told.delay_reasons == reasons
    assert told.attributes["delay_cause"] == cause


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2030-11-24T08:41:00+1:00", utc(2030, 11, 24, 7, 41)),
        ("2030-11-24T08:41:00", utc(2030, 11, 24, 7, 41)),
        ("2030-11-24T07:41:00Z", utc(2030, 11, 24, 7, 41)),
        ("2030-11-24T08:41:00.250+01:00", datetime(2030, 11, 24, 7, 41, 0, 250_000, UTC)),
    ],
)
def test_times_are_read_as_railways_write_them(time: str, expected: datetime) -> None:
    assert one(information(report(time=time))).event_time == expected


def test_a_time_without_an_offset_of_a_wide_country_is_rejected() -> None:
    place = PLACE.replace("PL", "KZ", 1)
    kazakh = report(time="2030-11-24T08:41:00", place=place)
    told = one(information(kazakh))  # all of its zones agree today
    assert told.event_time == utc(2030, 11, 24, 3, 41)
    russian = report(time="2030-11-24T08:41:00", place=PLACE.replace("PL", "RU", 1))
    assert "no offset" in rejected(information(russian)).detail


def test_a_run_is_of_the_day_that_its_train_starts_on() -> None:
    ids = identifier("PA", "2030-11-24") + identifier("TR", "2030-11-23")
    train = f"<TrainOperationalIdentification>{ids}</TrainOperationalIdentification>{NUMBER}"
    told = one(information(train=train))
    assert told.run_id == "43521-20301123"
    assert told.attributes["tr_id"] == "0051/--XY00123456/00/2031/2030-11-23"


def test_a_message_in_an_envelope_is_read() -> None:
    envelope = b'<s:Envelope xmlns:s="urn:s"><s:Body>' + information() + b"</s:Body></s:Envelope>"
    assert one(envelope).code == "ARRIVED"


def test_any_namespace_is_read() -> None:
    text = information().replace(b' xmlns="http://www.era.europa.eu/schemes/TAFTSI/3.4"', b"")
    assert one(text).event_id == one(information()).event_id


def test_a_corrected_time_is_the_same_statement() -> None:
    first, second = one(information()), one(information(report(time="2030-11-24T08:45:00+01:00")))
    assert first.event_id == second.event_id


def test_a_forecast_is_another_statement_than_what_happened() -> None:
    assert one(forecast()).event_id != one(information()).event_id


def test_a_newer_forecast_is_the_same_statement() -> None:
    first, second = one(forecast()), one(forecast(report(time="2030-11-24T09:45:00+01:00")))
    assert first.event_id == second.event_id


def test_a_deletion_takes_the_statement_back() -> None:
    deleted = one(information(status="3"))
    assert deleted.retracted
    assert deleted.event_id == one(information()).event_id


def test_why_a_train_is_late_moves_nothing() -> None:
    told = one(message("TrainDelayCauseMessage", CAUSE))
    assert (told.event_type, told.code) == (EventType.SHIPMENT, "UPDATE_RECEIVED")
    assert told.delay_reasons == ("WEA",)
    assert told.attributes["delay_minutes"] == 10


def test_a_delay_is_known_by_its_reference() -> None:
    reference = "<SenderReference>7001</SenderReference>"
    first = one(message("TrainDelayCauseMessage", CAUSE, head=reference))
    changed = CAUSE.replace(">83<", ">80<")
    second = one(message("TrainDelayCauseMessage", changed, head=reference, status="2"))
    assert first.event_id == second.event_id


def test_an_interrupted_train_is_on_hold() -> None:
    told = one(message("TrainRunningInterruptionMessage", INTERRUPTION))
    assert (told.event_type, told.code) == (EventType.SHIPMENT, "ON_HOLD")
    assert (told.node_id, told.event_time) == ("PL-33605", utc(2030, 11, 24, 8, 0))
    assert told.attributes["interruption"] == "points"


def test_a_bad_report_does_not_spoil_the_others() -> None:
    good, bad = read(information(report(), report("00")))
    assert isinstance(good, TrackingEvent)
    assert isinstance(bad, Rejected)


@pytest.mark.parametrize(
    ("text", "reason", "field"),
    [
        (b"", Reject.MALFORMED, None),
        (b"<PathDetailsMessage/>", Reject.UNSUPPORTED, None),
        (
            b"<TrainRunningInformationMessage/>",
            Reject.MALFORMED,
            "message[0].OperationalTrainNumberIdentifier.OperationalTrainNumber",
        ),
        (
            information(train=NUMBER.replace("2030-11-24T06:00:00+01:00", "")),
            Reject.MALFORMED,
            "message[0].OperationalTrainNumberIdentifier.ScheduledTimeAtHandover",
        ),
        (
            information(train=NUMBER.replace("2030-11-24", "2030-02-31")),
            Reject.MALFORMED,
            "message[0].OperationalTrainNumberIdentifier",
        ),
        (
            message("TrainRunningInformationMessage"),
            Reject.MALFORMED,
            "message[0].TrainLocationReport",
        ),
        (
            information(report(place=PLACE.replace("PL", "Poland", 1))),
            Reject.MALFORMED,
            "TrainLocationReport[0].Location.CountryCodeISO",
        ),
        (
            information(report(place=PLACE.replace("33605", ""))),
            Reject.MALFORMED,
            "TrainLocationReport[0].Location.LocationPrimaryCode",
        ),
        (
            information(report(time="soon")),
            Reject.MALFORMED,
            "TrainLocationReport[0].LocationDateTime",
        ),
        (
            message("TrainDelayCauseMessage"),
            Reject.MALFORMED,
            "message[0].DelayEventReport",
        ),
        (
            message("TrainRunningInterruptionMessage"),
            Reject.MALFORMED,
            "message[0].InterruptionPoint",
        ),
    ],
)
def test_what_cannot_be_read_says_why(text: bytes, reason: Reject, field: str | None) -> None:
    assert rejected(text)[:2] == (reason, field)


def test_messages_are_recognised() -> None:
    assert taf_tsi.FORMAT.recognises(information())
    assert not taf_tsi.FORMAT.recognises(b"<PathDetailsMessage/>")


SAMPLES = (
    information(),
    forecast(),
    message("TrainDelayCauseMessage", CAUSE),
    message("TrainRunningInterruptionMessage", INTERRUPTION),
)


@FUZZ
@given(spoiled(*SAMPLES))
def test_a_spoiled_message_gives_only_items(text: bytes) -> None:
    gives_only_items(taf_tsi.FORMAT, text)
