"""Messages of each kind, written from the directories; tests change what they are about."""

from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.adapter import Item
from producers.edifact import FORMATS

BY_NAME = {format.name: format for format in FORMATS}
BOX, OTHER_BOX = "CSQU3054383", "TGHU1643396"

CODECO = (
    "BGM+34+GATE-1+9",
    "DTM+137:202603021405:203",
    "TDT+20+031W+1++COS:172:20+++9321483:146::EVER GREAT",
    "NAD+MS+TERMINAL1:160:ZZZ",
    f"EQD+CN+{BOX}+45G1:102:5++2+5",
    "RFF+BN:BOOK1",
    "DTM+7:202603021400:203",
    "LOC+165+CNQZH:139:6",
    "LOC+11+SGSIN:139:6",
    "MEA+AAE+VGM+KGM:27000,5",
    "SEL+H100+SH",
    "SEL+C200+CU",
    "TDT+1++3+31++++QF1234:146",
    "CNT+16:1",
)
COARRI = (
    "BGM+44+CALL-1+9",
    "DTM+137:202603051200:203",
    "TDT+20+031W+1+13+COS:172:20+++9321483:146::EVER GREAT",
    "LOC+11+SGSIN:139:6+PPT:TER:ZZZ",
    "DTM+132:202603041200:203",
    "NAD+CF+COS:160:20",
    f"EQD+CN+{BOX}+45G1:102:5++3+5",
    "RFF+BM:BILL1",
    "DTM+203:202603050913:203",
    "LOC+9+CNQZH:139:6",
    "LOC+147+0380886::5",
    f"EQD+CN+{OTHER_BOX}+22G1:102:5++3+4",
    "DTM+203:202603050920:203",
    "LOC+9+CNQZH:139:6",
    "CNT+16:2",
)
IFTSTA = (
    "BGM+23+STATUS-1+9",
    "DTM+137:202603051200:203",
    "NAD+CA+COSU:160:20",
    "RFF+BM:BILL1",
    "CNI+1",
    "STS+1+24",
    "DTM+334:202603050600:203",
    "LOC+175+CNQZH:139:6",
    "TDT+20+031W+1++COS:172:20+++9321483:146::EVER GREAT",
    "LOC+11+SGSIN:139:6",
    "DTM+132:202603091200:203",
    f"EQD+CN+{BOX}+45G1:102:5+++5",
)
CUSRES = (
    "BGM+962+DECISION-1+9",
    "DTM+9:202603051200:203",
    "LOC+22+CNQZH:139:6",
    "GIS+4",
    "RFF+ABT:DECL1",
    "RFF+BM:BILL1",
    f"EQD+CN+{BOX}+45G1:102:5",
)
BODIES = {"CODECO": CODECO, "COARRI": COARRI, "IFTSTA": IFTSTA, "CUSRES": CUSRES}


def message(kind: str, *body: str, reference: str = "1") -> str:
    """A message in its envelope, counted right."""
    return "".join(
        f"{segment}'"
        for segment in (
            f"UNH+{reference}+{kind}:D:00B:UN:SMDG21",
            *body,
            f"UNT+{len(body) + 2}+{reference}",
        )
    )


def interchange(*messages: str, sender: str = "TERMINAL1:ZZZ", time: str = "260305:1230") -> str:
    return f"UNB+UNOA:2+{sender}+US+{time}+77'{''.join(messages)}UNZ+{len(messages)}+77'"


def changed(body: tuple[str, ...], **changes: str) -> tuple[str, ...]:
    """A body with segments replaced by index (`_3="LOC+…"`), or left out (`_3=""`)."""
    segments = list(body)
    for place, segment in changes.items():
        segments[int(place.removeprefix("_"))] = segment
    return tuple(segment for segment in segments if segment)


def decoded(text: str | bytes, format: str = "edifact", sender: str = "us") -> list[Item]:
    raw = text if isinstance(text, bytes) else text.encode()
    return BY_NAME[format].decode(raw, sender)


def events(text: str | bytes, format: str = "edifact", sender: str = "us") -> list[TrackingEvent]:
    """The events of a message that has nothing to reject."""
    items = decoded(text, format, sender)
    assert not [item for item in items if isinstance(item, Rejected)]
    return [item for item in items if isinstance(item, TrackingEvent)]


def event(kind: str, *body: str) -> TrackingEvent:
    """The one event of one message."""
    (only,) = events(interchange(message(kind, *body)))
    return only


def rejected(text: str | bytes, format: str = "edifact") -> Rejected:
    """The one fault of a message that says nothing else."""
    (only,) = decoded(text, format)
    assert isinstance(only, Rejected)
    return only
