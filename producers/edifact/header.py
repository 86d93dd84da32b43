"""What every message says of itself: who speaks, when, and whether it takes something back."""

from collections.abc import Iterable
from dataclasses import dataclass

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from corridor.models import TrackingEvent
from producers.adapter import Item, Unusable, event
from producers.edifact import times
from producers.edifact.group import Attributes, Group, Place
from producers.edifact.interchange import Interchange, Message
from producers.edifact.times import Instant

_SENDERS = {
    # data element 3035; the carrier of a terminal's report is whom it is for
    "CODECO": ("MS", "TR"),
    "COARRI": ("MS", "TR"),
    "IFTSTA": ("MS", "CA"),
    "CUSRES": ("MS", "CM"),
}
_RETRACTING = {"1": "cancellation", "3": "deletion", "17": "cancellation, to be reissued"}
_NO_FACTS = {"13": "a request", "16": "a proposal", "53": "a test"}
"""Data element 1225."""

LONGEST = 2_000
"""Characters of one attribute."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one message."""

    kind: str
    source: str
    document: str
    """Data element 1001, what the message reports."""
    retracted: bool
    attributes: Attributes
    _dtm: tuple[str, str]
    _unb: tuple[str, str]

    @classmethod
    def of(cls, message: Message, interchange: Interchange, sender: str) -> "Header":
        """Reads it.

        Raises:
            Unusable: the message states no facts.
        """
        group = Group(message.segments)
        # behind these, a date is that of what they name
        head = group.until("RFF", "CNI", "STS", "EQD", "DOC", "TAX", "ERP")
        bgm, dtm = group.first("BGM"), head.first("DTM", "137")
        function = bgm.text(3) if bgm else ""
        if interchange.test:
            detail = "the interchange is a test: UNB's test indicator is 1"
            raise Unusable(Reject.UNSUPPORTED, "UNB.0035", detail)
        if function in _NO_FACTS:
            detail = f"message function {function} is {_NO_FACTS[function]}, not a report"
            raise Unusable(Reject.UNSUPPORTED, "BGM.1225", detail)
        parties = group.all("NAD", *_SENDERS[message.kind])
        party = next((nad.text(2) for nad in parties if nad.text(2)), "")
        said = {
            "message_type": message.kind,
            "message_reference": message.reference,
            "message_function": function,
            "document_number": bgm.text(2) if bgm else "",
            "envelope_fault": message.note or "",
        }
        return cls(
            kind=message.kind,
            source=interchange.sender or party or sender,
            document=bgm.code(1) if bgm else "",
            retracted=function in _RETRACTING,
            attributes={name: value for name, value in said.items() if value},
            _dtm=(dtm.text(1, 2), dtm.text(1, 3)) if dtm else ("", ""),
            _unb=(interchange.date, interchange.time),
        )

    def made(self, node_id: str | None) -> Instant | None:
        """When the message was made; local time is that of the place it speaks of."""
        date, time = self._unb
        digits = date + time.replace(":", "")
        written = [self._dtm, (digits, "203" if len(date) == 8 else "201")]
        found = []
        for text, form in written:
            try:
                found.append(times.read(text, form, "DTM+137", node_id))
            except Unusable:
                continue
        # a day alone would not tell a correction from what it corrects
        return next((instant for instant in found if not instant.day), found[0] if found else None)

    def event(
        self,
        event_type: EventType,
        code: str,
        when: Instant,
        *,
        classifier: Classifier = Classifier.ACTUAL,
        unit_id: str | None = None,
        shipment_id: str | None = None,
        run_id: str | None = None,
        visit: str | None = None,
        mode: Mode | None = None,
        place: Place | None = None,
        delay_reasons: tuple[str, ...] = (),
        attributes: Attributes,
    ) -> TrackingEvent:
        """An event of this message.

        Its id is made of what it says but the time, so that a replacement corrects it and a
        cancellation takes it back. Where neither a run nor a document tells one visit of a box
        from the next, the day does.

        Args:
            event_type: Of what kind.
            code: What happened.
            when: When.
            classifier: Whether it did, or will.
            unit_id: To which unit.
            shipment_id: To which shipment.
            run_id: On which run.
            visit: The call or journey that it belongs to, where that is another than its run.
            mode: In which mode.
            place: Where.
            delay_reasons: SMDG codes.
            attributes: What else is said.

        Raises:
            Unusable: it is of nothing, or the model does not take it.
        """
        node_id = place.node_id if place else None
        visit = visit or run_id or shipment_id or when.time.date().isoformat()
        made = self.made(node_id)
        return event(
            event_id=derived_id(
                "edifact", self.kind, code, classifier, unit_id or "", shipment_id or "",
                node_id or "", visit,
            ),
            source=self.source,
            event_type=event_type,
            code=code,
            classifier=classifier,
            event_time=when.time,
            updated_time=made.time if made else None,
            retracted=self.retracted or None,
            unit_id=unit_id,
            run_id=run_id,
            shipment_id=shipment_id,
            mode=mode,
            node_id=node_id,
            delay_reasons=delay_reasons or None,
            attributes=_cut(
                {
                    **self.attributes,
                    **(place.attributes if place else {}),
                    **attributes,
                    **when.attributes(),
                }
            ),
        )  # fmt: skip


def _cut(attributes: Attributes) -> Attributes:
    """No text, however often a segment is repeated, may make a record too large for Kafka."""
    return {
        name: f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value
        for name, value in attributes.items()
    }


def within(path: str, items: Iterable[Item]) -> list[Item]:
    """Items of a part of a message: the fields at fault are said to be in it."""
    return [
        item._replace(field=f"{path}.{item.field}" if item.field else path)
        if isinstance(item, Rejected)
        else item
        for item in items
    ]
