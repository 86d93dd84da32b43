"""eTIR messages over the life of a TIR transport."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from corridor import topics
from corridor.codes import CODES, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.customs import FORMATS
from producers.customs.etir import ANSWERS, ETIR, MESSAGES, SILENT, TITLES
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

ISSUED = "<IssueDateTime>2026-11-24T10:30:00+08:00</IssueDateTime>"
CARNET = "<ObligationGuarantee><ReferenceID>XF12345678</ReferenceID></ObligationGuarantee>"
TRIP = """
  <Consignment>
    <TransportEquipment>
      <ID>CSQU3054383</ID>
      <Seal><ID>CN778801</ID></Seal><Seal><ID>CN778802</ID></Seal>
    </TransportEquipment>
    <BorderTransportMeans><ID>渝A·12345</ID></BorderTransportMeans>
    <TransitDeparture><ID>CN9402</ID></TransitDeparture>
    <TransitEntry><ID>KZ50413</ID></TransitEntry>
    <TransitDestination><ID>PL301010</ID></TransitDestination>
  </Consignment>
"""
ACTS = {
    "I1": "<AcceptanceDateTime>{}</AcceptanceDateTime>",
    "I7": "<DeclarationDateTime>{}</DeclarationDateTime>",
    "I9": "<StartDateTime>{}</StartDateTime>",
    "I11": "<TerminationDateTime>{}</TerminationDateTime>",
    "I13": "<DischargeDateTime>{}</DischargeDateTime>",
    "I17": "<RefusalDateTime>{}</RefusalDateTime>",
    "E3": "<CancellationDateTime>{}</CancellationDateTime>",
}
WHEN = "2026-11-24T10:15:00+08:00"


def xml(number: str = "I9", body: str | None = None, issued: str = ISSUED) -> str:
    """A message with the least that it says."""
    act = ACTS.get(ANSWERS.get(number, number), "").format(WHEN)
    inner = CARNET + act if body is None else body
    return f'<m:{number} xmlns:m="urn:x" xmlns="urn:x">{issued}{inner}</m:{number}>'


def items(text: str) -> list[Any]:
    """What a message gives."""
    return ETIR.decode(text.encode(), "customs-kz")


def event(text: str) -> TrackingEvent:
    """The one event of a message."""
    [found] = items(text)
    assert isinstance(found, TrackingEvent), found
    return found


def fault(text: str) -> Rejected:
    """What is wrong with a message that gives nothing else."""
    [found] = items(text)
    assert isinstance(found, Rejected)
    return found


def test_the_package_exports_it() -> None:
    assert ETIR in FORMATS
    assert ETIR.topic == topics.CUSTOMS.name


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("E1", "TIR_REGISTERED"),
        ("E3", "TIR_CANCELLED"),
        ("E9", "TIR_DECLARED"),
        ("E11", "TIR_DECLARED"),
        ("I1", "TIR_ACCEPTED"),
        ("I7", "TIR_DECLARED"),
        ("I9", "TIR_STARTED"),
        ("I11", "TIR_TERMINATED"),
        ("I13", "TIR_DISCHARGED"),
        ("I17", "TIR_REFUSED"),
    ],
)
def test_a_request_tells_what_customs_did(number: str, code: str) -> None:
    found = event(xml(number))
    assert (found.event_type, found.code) == (EventType.CUSTOMS, code)
    assert (found.unit_id, found.mode, found.source) == ("XF12345678", Mode.TRUCK, "customs-kz")


@pytest.mark.parametrize("number", MESSAGES)
def test_every_code_is_in_our_vocabulary(number: str) -> None:
    assert MESSAGES[number].code in CODES[EventType.CUSTOMS]


@pytest.mark.parametrize("number", [n for n in ANSWERS if ANSWERS[n] in ACTS])
def test_an_answer_that_says_when_repeats_its_request(number: str) -> None:
    request, answer = event(xml(ANSWERS[number])), event(xml(number))
    assert (answer.event_id, answer.code) == (request.event_id, request.code)
    assert answer.event_time == request.event_time


@pytest.mark.parametrize("number", [n for n in ANSWERS if ANSWERS[n] in ACTS])
def test_an_answer_never_takes_the_place_of_its_request(number: str) -> None:
    late = "<IssueDateTime>2026-11-24T23:30:00+08:00</IssueDateTime>"
    assert event(xml(number, issued=late)).updated_time < event(xml(ANSWERS[number])).updated_time


@pytest.mark.parametrize("number", ANSWERS)
def test_an_answer_that_does_not_say_when_is_unsupported(number: str) -> None:
    found = fault(xml(number, CARNET))
    assert found.reason is Reject.UNSUPPORTED
    assert ANSWERS[number] in found.detail


@pytest.mark.parametrize("number", ANSWERS)
@pytest.mark.parametrize(
    "refusal",
    [
        "<Error><ValidationCode>203</ValidationCode><Description>none</Description></Error>",
        "<Errors><x:error xmlns:x='urn:y'>203</x:error></Errors>",
        "<FunctionCode>27</FunctionCode>",
    ],
)
def test_an_answer_that_refuses_is_never_an_event(number: str, refusal: str) -> None:
    act = ACTS.get(ANSWERS[number], "").format(WHEN)
    found = fault(xml(number, CARNET + act + refusal))
    assert (found.reason, found.field) == (Reject.UNSUPPORTED, "Error")
    assert "XF12345678" in found.detail


@pytest.mark.parametrize("number", SILENT)
def test_a_message_that_tells_of_nothing_new_is_unsupported_and_so_is_its_answer(
    number: str,
) -> None:
    answer = f"{number[0]}{int(number[1:]) + 1}"
    assert fault(xml(number)).reason is Reject.UNSUPPORTED
    assert number in fault(xml(answer)).detail


@pytest.mark.parametrize("text", [xml("I99"), "<Invoice/>", "<Envelope/>"])
def test_another_message_is_unsupported(text: str) -> None:
    assert fault(text).reason is Reject.UNSUPPORTED


@pytest.mark.parametrize(
    "text",
    [
        "<I9StartTIROperation>{}</I9StartTIROperation>",
        "<StartTIROperation>{}</StartTIROperation>",
        "<startTirOperationRequest>{}</startTirOperationRequest>",
        "<x:Start_TIR_operation xmlns:x='urn:y'>{}</x:Start_TIR_operation>",
        "<InterGov><TypeCode>I9</TypeCode>{}</InterGov>",
        "<s:Envelope xmlns:s='s'><s:Header/><s:Body><I9>{}</I9></s:Body></s:Envelope>",
        "<Envelope><Body><send><I9>{}</I9></send></Body></Envelope>",
    ],
)
def test_a_message_may_be_named_in_several_ways(text: str) -> None:
    assert event(text.format(ISSUED + CARNET)).code == "TIR_STARTED"


@pytest.mark.parametrize("title", TITLES.items())
def test_every_title_names_its_message(title: tuple[str, str]) -> None:
    number, name = title
    tag = name.title().replace(" ", "")
    named, numbered = (items(xml(number).replace(f"m:{number}", t)) for t in (tag, f"m:{number}"))
    assert [type(item) for item in named] == [type(item) for item in numbered]
    assert (
        named[0][-1:] == numbered[0][-1:] if isinstance(named[0], Rejected) else named == numbered
    )


@pytest.mark.parametrize(
    "tag",
    [
        "<Guarantee><ID>{}</ID></Guarantee>",
        "<GuaranteeReferenceID>{}</GuaranteeReferenceID>",
        "<TIRCarnetNumber>{}</TIRCarnetNumber>",
        "<obligationguarantee><referenceid>{}</referenceid></obligationguarantee>",
    ],
)
def test_the_carnet_may_be_named_in_several_ways(tag: str) -> None:
    assert event(xml(body=tag.format(" xf 12345678 "))).unit_id == "XF12345678"


@pytest.mark.parametrize(
    "body", ["", CARNET.replace("XF12345678", "?"), CARNET.replace("XF12345678", "")]
)
def test_without_a_carnet_it_is_malformed(body: str) -> None:
    assert fault(xml(body=body)).reason is Reject.MALFORMED


def test_each_container_under_the_carnet_is_told_too() -> None:
    truck, box = items(xml(body=CARNET + TRIP))
    assert (truck.unit_id, box.unit_id) == ("XF12345678", "CSQU3054383")
    assert box.attributes["tir_carnet"] == "XF12345678"
    assert truck.event_id != box.event_id


def test_a_container_that_cannot_be_does_not_spoil_the_carnet() -> None:
    trip = TRIP.replace("CSQU3054383", "CSQU3054384")
    rejected, truck = items(xml(body=CARNET + trip))
    assert rejected.reason is Reject.BAD_CHECK_DIGIT
    assert truck.unit_id == "XF12345678"


def test_equipment_that_is_no_container_is_an_attribute() -> None:
    found = event(xml(body=CARNET + TRIP.replace("CSQU3054383", "TRAILER 7")))
    assert found.attributes["equipment"] == "TRAILER 7"


def test_seals_plates_and_offices_are_kept() -> None:
    found = items(xml(body=CARNET + TRIP))[0].attributes
    assert found["seals"] == "CN778801, CN778802"
    assert found["vehicles"] == "渝A·12345"
    assert found["itinerary_offices"] == "CN9402, KZ50413, PL301010"
    assert found["etir_message"] == "I9"


def test_the_office_of_an_operation_is_where_it_starts() -> None:
    office = "<CustomsOffice><ID>KZ50413</ID></CustomsOffice>"
    assert event(xml(body=CARNET + office)).attributes["customs_office"] == "KZ50413"


def test_an_itinerary_does_not_say_where_an_operation_starts() -> None:
    office = "<Itinerary><CustomsOffice><ID>{}</ID></CustomsOffice></Itinerary>"
    way = office.format("CN9402") + office.format("KZ50413")
    assert "customs_office" not in event(xml(body=CARNET + way)).attributes


def test_operations_of_two_countries_are_two_events() -> None:
    first, second = (
        event(
            xml(
                body=f"{CARNET}<TransitOperation><SequenceNumeric>{n}</SequenceNumeric></TransitOperation>"
            )
        )
        for n in (1, 2)
    )
    assert first.event_id != second.event_id


def test_a_later_message_of_the_same_operation_corrects_it() -> None:
    later = ISSUED.replace("10:30", "11:30")
    act = "<StartDateTime>2026-11-24T10:00:00+08:00</StartDateTime>"
    told, mended = event(xml()), event(xml(body=CARNET + act, issued=later))
    assert told.event_id == mended.event_id
    assert told.updated_time < mended.updated_time


@pytest.mark.parametrize("function", ["1", "3"])
def test_a_message_with_a_function_of_cancellation_retracts(function: str) -> None:
    gone = event(xml(body=f"{CARNET}<FunctionCode>{function}</FunctionCode>"))
    assert gone.retracted
    assert gone.event_id == event(xml()).event_id


def test_advance_data_are_amended_and_cancelled() -> None:
    told, amended, gone = (event(xml(number)) for number in ("E9", "E11", "E13"))
    assert told.event_id == amended.event_id == gone.event_id
    assert [told.retracted, amended.retracted, gone.retracted] == [False, False, True]


def test_what_customs_recorded_is_not_what_was_told_in_advance() -> None:
    assert event(xml("I7")).event_id != event(xml("E9")).event_id


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T02:15:00Z",
        "2026-11-24T10:15:00+08:00",
        "<DateTimeString formatCode='304'>20261124101500+08</DateTimeString>",
        "<DateTimeString formatCode='208'>20261124101500+0800</DateTimeString>",
        "<DateTimeString formatCode='205'>202611241015+0800</DateTimeString>",
        "<d:DateTimeString xmlns:d='urn:d'>20261124021500UTC</d:DateTimeString>",
    ],
)
def test_a_time_may_be_written_in_several_ways(text: str) -> None:
    found = event(xml(body=f"{CARNET}<StartDateTime>{text}</StartDateTime>"))
    assert found.event_time == datetime(2026, 11, 24, 2, 15, tzinfo=UTC)


def test_without_a_time_of_its_own_a_message_happened_when_it_was_made() -> None:
    found = event(xml(body=CARNET))
    assert found.event_time == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    assert found.attributes["time_basis"] == "MESSAGE"


@pytest.mark.parametrize("day", ["2026-11-24", "20261124"])
def test_a_day_is_told_beside_the_time_of_the_message(day: str) -> None:
    found = event(xml(body=f"{CARNET}<StartDateTime>{day}</StartDateTime>"))
    assert found.attributes["started_date"] == "2026-11-24"


@pytest.mark.parametrize(
    "text", ["2026-11-20", "2026-02-30", "20261124101500", "2026-11-24T10:15:00", "soon"]
)
def test_a_time_that_nobody_can_tell_is_malformed(text: str) -> None:
    found = fault(xml(body=f"{CARNET}<StartDateTime>{text}</StartDateTime>"))
    assert (found.reason, found.field) == (Reject.MALFORMED, "StartDateTime")


def test_a_message_without_any_time_is_malformed() -> None:
    assert fault(xml(body=CARNET, issued="")).reason is Reject.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I9",
        "<I9>",
        "<!DOCTYPE I9><I9/>",
        '<!DOCTYPE I9 [<!ENTITY a "b">]><I9>&a;</I9>',
        "<I9>" + "<a>" * 500 + "</a>" * 500 + "</I9>",
        '<?xml version="1.0" encoding="klingon"?><I9/>',
        '<?xml version="1.0" encoding="utf-16"?><I9/>',
    ],
)
def test_what_is_no_safe_xml_is_malformed(text: str) -> None:
    assert fault(text).reason is Reject.MALFORMED


def test_it_is_recognised() -> None:
    assert ETIR.recognises(xml().encode())


@pytest.mark.parametrize("bytes_", [b"", b"{}", b"<Waybill/>", b"<retired/>"])
def test_others_are_not(bytes_: bytes) -> None:
    assert not ETIR.recognises(bytes_)


GOOD = [
    xml(number, CARNET + ACTS.get(ANSWERS.get(number, number), "").format(WHEN) + TRIP).encode()
    for number in (*MESSAGES, *ANSWERS)
]


@FUZZ
@given(spoiled(*GOOD))
def test_a_spoiled_message_gives_only_items(message: bytes) -> None:
    gives_only_items(ETIR, message)
