import json

import pytest

from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from tests.unit.producers.edifact.messages import (
    BODIES,
    BOX,
    COARRI,
    CODECO,
    changed,
    decoded,
    event,
    events,
    interchange,
    message,
    rejected,
)

GATE = interchange(message("CODECO", *CODECO))


def only(text: str | bytes) -> TrackingEvent:
    (found,) = events(text)
    return found


def in_level_b(text: str) -> str:
    return text.translate(str.maketrans(":+'", "\x1f\x1d\x1c"))


@pytest.mark.parametrize(
    "written",
    [
        GATE.replace("'", "'\n"),
        GATE.replace("'", "'\r\n"),
        GATE.replace("'", "' \t\r\n   "),
        GATE.replace("'", "''"),
        "\r\n" + GATE + "\r\n\x1a\0",
        "\ufeff" + GATE,
        "UNA:+.? '" + GATE,
        "UNA:+.? '\r\n" + GATE,
        "UNA:+.'\n" + GATE,
        "UNA:+,  '" + GATE,
        GATE.rstrip("'"),
        GATE.replace("'", "\n"),
        GATE.replace("'", "\r\n"),
        in_level_b(GATE),
        "UNA^|.? ~" + GATE.translate(str.maketrans(":+'", "^|~")),
        GATE.replace("UNB", "unb").replace("EQD", "eqd").replace("DTM", "dtm"),
        GATE.replace("UNB+", "UNB+").replace("+CN+", "+cn+"),
        GATE.replace(BOX, f"{BOX[:4]} {BOX[4:10]}-{BOX[10]}"),
        # wrapped at 80 characters, whatever stands there
        "\r\n".join(GATE[n : n + 80] for n in range(0, len(GATE), 80)),
    ],
)
def test_the_same_message_is_read_however_it_is_written(written: str) -> None:
    assert only(written) == only(GATE)


def test_utf_16_with_a_byte_order_mark_is_read() -> None:
    assert only(GATE.encode("utf-16")) == only(GATE)


def test_a_message_without_an_interchange_is_read() -> None:
    assert only(message("CODECO", *CODECO)).unit_id == BOX


def test_released_characters_are_data() -> None:
    found = event("CODECO", *CODECO[:10], "FTX+AAA+++LE HAVRE ?'QUAI?' 5?:7?+8??", *CODECO[10:])

    assert found.attributes["goods"] == "LE HAVRE 'QUAI' 5:7+8?"


@pytest.mark.parametrize(
    ("identifier", "encoding"),
    [
        ("UNOA", "utf-8"),
        ("UNOC", "latin-1"),
        ("UNOC", "utf-8"),
        ("UNOD", "iso8859-2"),
        ("UNOY", "utf-8"),
    ],
)
def test_text_is_read_in_the_declared_character_set_or_utf_8(
    identifier: str, encoding: str
) -> None:
    text = GATE.replace("UNOA", identifier).replace("SEL+H100", "SEL+Ö1")

    assert str(only(text.encode(encoding)).attributes["seal_number"]).startswith("Ö1")


def test_cyrillic_is_read_in_its_character_set() -> None:
    text = GATE.replace("UNOA", "UNOE").replace("SEL+H100", "SEL+ЖД1")

    assert str(only(text.encode("iso8859-5")).attributes["seal_number"]).startswith("ЖД1")


def test_bytes_in_no_declared_character_set_are_marked_as_unreadable() -> None:
    raw = GATE.replace("H100", "H#").encode().replace(b"#", b"\xd6")

    assert str(only(raw).attributes["seal_number"]).startswith("H\ufffd")


def test_a_raw_message_in_json_is_what_counts() -> None:
    envelope = {"type": "EdiCodeco", "functionCode": "Deletion", "messageRaw": GATE, "n": [1]}

    assert only(json.dumps(envelope)) == only(GATE)


def test_a_list_of_envelopes_is_read() -> None:
    assert len(events(json.dumps([{"raw": GATE}, GATE, None, 5]))) == 2


@pytest.mark.parametrize("text", ['{"messageRaw": 5}', "[]", "{", '{"a": "UNKNOWN"}'])
def test_json_without_a_message_is_rejected(text: str) -> None:
    assert rejected(text).reason is Reject.MALFORMED


@pytest.mark.parametrize("text", ["", "hello", "ISA*00*", "<xml/>", "\0", "UN"])
def test_what_is_not_edifact_is_rejected(text: str) -> None:
    assert rejected(text) == Rejected(
        Reject.MALFORMED, None, "it does not begin like UN/EDIFACT: UNA, UNB or UNH"
    )


def test_an_empty_interchange_says_nothing() -> None:
    assert decoded(interchange()) == []


@pytest.mark.parametrize("cut", range(1, len(COARRI)))
def test_a_message_that_is_cut_off_is_rejected_whole(cut: int) -> None:
    text = "UNB+UNOA:2+T+US+260305:1230+77'UNH+1+COARRI:D:00B:UN'" + "'".join(COARRI[:cut])

    first, second = decoded(text)
    assert (first[0], first[1], second[1]) == (Reject.MALFORMED, "UNH[0].UNT", "UNZ")  # type: ignore[index]


def test_a_cut_within_a_message_spoils_only_that_message() -> None:
    lost = f"UNH+2+COARRI:D:00B:UN'{COARRI[0]}'"
    gate = message("CODECO", *CODECO)
    items = decoded(f"UNB+UNOA:2+T+US+260305:1230+77'{gate}{lost}{gate}UNZ+3+77'")

    assert [type(item) for item in items] == [TrackingEvent, Rejected, TrackingEvent]


def test_fewer_segments_than_unt_counts_are_a_loss() -> None:
    text = message("CODECO", *CODECO).replace("UNT+16+1", "UNT+17+1")

    assert rejected(text) == Rejected(
        Reject.MALFORMED,
        "UNH[0].UNT.0074",
        "UNT counts 17 segments, but 16 came: a part may be lost",
    )


@pytest.mark.parametrize(
    ("trailer", "note"),
    [
        ("UNT+15+1", "UNT counts 15, there are 16 segments"),
        ("UNT++1", "UNT counts , there are 16 segments"),
        ("UNT+16+2", "UNT closes 2, UNH opened 1"),
    ],
)
def test_a_trailer_that_is_wrong_without_a_loss_is_noted(trailer: str, note: str) -> None:
    text = message("CODECO", *CODECO).replace("UNT+16+1", trailer)

    assert only(text).attributes["envelope_fault"] == note


def test_leading_zeros_of_control_numbers_do_not_matter() -> None:
    text = message("CODECO", *CODECO).replace("UNT+16+1", "UNT+000016+0001")

    assert "envelope_fault" not in only(text).attributes


def test_two_messages_run_together_are_rejected() -> None:
    text = message("CODECO", *CODECO).replace("UNT+16+1", "UNT+9+2")

    assert rejected(text).field == "UNH[0].UNT.0062"


def test_fewer_messages_than_unz_counts_are_told_besides_what_came() -> None:
    found, fault = decoded(GATE.replace("UNZ+1", "UNZ+2"))

    assert isinstance(found, TrackingEvent)
    assert fault == Rejected(
        Reject.MALFORMED, "UNZ.0036", "UNZ counts 2 messages, but 1 came: others may be lost"
    )


def test_unz_counts_functional_groups_where_there_are_some() -> None:
    gate = message("CODECO", *CODECO)
    text = f"UNB+UNOA:2+T+US+260305:1230+77'UNG+CODECO+T+US+260305:1230+1+UN+D:00B'{gate}{gate}"

    assert len(events(text + "UNE+2+1'UNZ+1+77'")) == 2


def test_segments_in_no_message_are_told_once() -> None:
    fault = rejected("UNB+UNOA:2+T+US+260305:1230+77'BGM+34'EQD+CN'UNT+3+1'UNZ+0+77'")

    assert fault.field == "BGM"


def test_several_interchanges_in_one_file_are_read() -> None:
    other = GATE.replace("TERMINAL1:ZZZ", "TERMINAL2")

    assert [found.source for found in events(GATE + "\n" + other)] == ["TERMINAL1", "TERMINAL2"]


@pytest.mark.parametrize("kind", BODIES)
def test_a_test_interchange_states_no_facts(kind: str) -> None:
    text = interchange(message(kind, *BODIES[kind])).replace("+77'UNH", "+77++++++1'UNH")

    assert rejected(text).reason is Reject.UNSUPPORTED


@pytest.mark.parametrize(
    ("function", "what"), [("13", "request"), ("16", "proposal"), ("53", "test")]
)
def test_what_is_no_report_is_rejected(function: str, what: str) -> None:
    fault = rejected(message("CODECO", *changed(CODECO, _0=f"BGM+34+GATE-1+{function}")))

    assert fault.reason is Reject.UNSUPPORTED
    assert what in fault.detail


def test_faults_name_message_and_part() -> None:
    text = interchange(
        message("CODECO", *CODECO),
        message("COARRI", *changed(COARRI, _11="EQD+CN+TGHU1643390+22G1")),
    )

    assert [item.field for item in decoded(text) if isinstance(item, Rejected)] == [
        "UNH[1].EQD[1].8260"
    ]
