import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor import topics
from corridor.codes import Reject
from corridor.containers import check_digit
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.adapter import Format
from producers.edifact import FORMATS
from tests.unit.producers.edifact.messages import (
    BODIES,
    COARRI,
    decoded,
    events,
    interchange,
    message,
)
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

MIXED = interchange(*(message(kind, *body) for kind, body in BODIES.items()))

every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)


def recognised(raw: bytes) -> str | None:
    return next((format.name for format in FORMATS if format.recognises(raw)), None)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: text,
        lambda text: "UNA:+.? '\r\n" + text,
        lambda text: "UNA:|.? '" + text.replace("+", "|"),
        lambda text: text.translate(str.maketrans(":+'", "\x1f\x1d\x1c")),
        lambda text: "\ufeff \n" + text,
        lambda text: text.lower(),
        lambda text: json.dumps({"messageRaw": text}),
    ],
)
def test_a_message_is_recognised_by_its_kind(kind: str, wrap: object) -> None:
    assert callable(wrap)

    assert recognised(wrap(interchange(message(kind, *BODIES[kind]))).encode()) == kind.lower()


def test_an_interchange_of_several_kinds_is_recognised_as_such() -> None:
    assert recognised(MIXED.encode()) == "edifact"


def test_an_interchange_of_a_kind_that_we_do_not_read_is_named() -> None:
    raw = interchange(message("BAPLIE", "BGM++1+9")).encode()

    assert recognised(raw) == "edifact"
    assert decoded(raw) == [
        Rejected(Reject.UNSUPPORTED, "UNH[0].S009.0065", "a message of the kind BAPLIE")
    ]


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"event_id":"1"}', b"ISA*00", b"<UNB/>", b"\xff"])
def test_other_messages_are_not_recognised(raw: bytes) -> None:
    assert recognised(raw) is None


def test_an_interchange_of_several_kinds_is_read_whole() -> None:
    assert {found.attributes["message_type"] for found in events(MIXED)} == set(BODIES)


@pytest.mark.parametrize("kind", BODIES)
def test_a_format_reads_its_own_kind_and_names_the_others(kind: str) -> None:
    items = decoded(MIXED, kind.lower())
    faults = [item for item in items if isinstance(item, Rejected)]

    assert {e.attributes["message_type"] for e in items if isinstance(e, TrackingEvent)} == {kind}
    assert [fault.reason for fault in faults] == [Reject.UNSUPPORTED] * 3
    assert {other for other in BODIES if any(other in f.detail for f in faults)} == (
        BODIES.keys() - {kind}
    )


def test_each_kind_has_its_topic() -> None:
    assert {format.name: format.topic for format in FORMATS} == {
        "codeco": topics.PORT.name,
        "coarri": topics.PORT.name,
        "iftsta": topics.CARRIER.name,
        "cusres": topics.CUSTOMS.name,
        "edifact": None,
    }


def test_a_report_of_five_thousand_boxes_is_read_whole() -> None:
    box = COARRI[6:11]
    numbers = [f"CSQU{n:06d}{check_digit(f'CSQU{n:06d}0')}" for n in range(5000)]
    boxes = [segment for n in numbers for segment in (f"EQD+CN+{n}+45G1:102:5++3+5", *box[1:])]

    assert len(events(message("COARRI", *COARRI[:6], *boxes, "CNT+16:5000"))) == 5000


@every_format
@FUZZ
@given(raw=spoiled(MIXED.encode(), b"UNA:+.? '" + MIXED.encode()))
def test_a_spoiled_message_gives_only_items(format: Format, raw: bytes) -> None:
    gives_only_items(format, raw)


SEGMENT = st.builds(
    lambda tag, elements: "+".join([tag, *elements]),
    st.sampled_from("BGM DTM TDT LOC NAD EQD RFF CNI STS GIS GEI MEA SEL TMD DAM FTX CNT".split()),
    st.lists(
        st.one_of(
            st.sampled_from(
                "CN 7:202603021400:203 137:2603:101 132:202603051200Z:303 24 4 34 44 20 1 165 11"
                " 9 BM:B BN:K EQ:CSQU3054383 CSQU3054383 CNQZH SGSIN:139:6 334:202603021400:203"
                " 1:1:1:1 :::X 16:1".split()
            ),
            st.text(max_size=5).filter(lambda text: "'" not in text and "?" not in text),
            st.just(""),
        ),
        max_size=9,
    ),
)


@every_format
@FUZZ
@given(kind=st.sampled_from(sorted(BODIES)), body=st.lists(SEGMENT, max_size=25))
def test_any_segments_give_only_items(format: Format, kind: str, body: list[str]) -> None:
    gives_only_items(format, interchange(message(kind, *body)).encode())


@every_format
@FUZZ
@given(kind=st.sampled_from(sorted(BODIES)), data=st.data())
def test_segments_in_any_order_give_only_items(
    format: Format, kind: str, data: st.DataObject
) -> None:
    body = data.draw(st.permutations(BODIES[kind]))
    gives_only_items(format, interchange(message(kind, *body)).encode())
