"""UN/EDIFACT: what terminals, carriers and customs have sent each other since 1988.

Each kind of message is a format; `edifact` takes interchanges that hold several kinds, as they
fall into a folder, and whatever else begins like one, to say what it is.
"""

from collections.abc import Callable

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Rejected
from producers.adapter import Format, Item, Unusable
from producers.edifact import cusres, iftsta, movements
from producers.edifact.header import Header, within
from producers.edifact.interchange import (
    Interchange,
    Message,
    interchanges,
    kinds,
    looks_like_edifact,
)

_READERS: dict[str, Callable[[Message, Header], list[Item]]] = {
    "CODECO": movements.read,
    "COARRI": movements.read,
    "IFTSTA": iftsta.read,
    "CUSRES": cusres.read,
}


class _Reader:
    """Reads the messages of some kinds, and says of others what they are."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = frozenset(kinds)

    def decode(self, message: bytes, sender: str) -> list[Item]:
        """See `producers.adapter`."""
        try:
            found = interchanges(message)
        except Unusable as fault:
            return [fault.rejected]
        items: list[Item] = []
        index = 0
        for interchange in found:
            for part in interchange.messages:
                items.extend(within(f"UNH[{index}]", self._read(part, interchange, sender)))
                index += 1
            items.extend(interchange.faults)
        return items

    def recognises(self, message: bytes) -> bool:
        """Whether there are messages of these kinds only."""
        return looks_like_edifact(message) and kinds(message) == self._kinds

    def _read(self, message: Message, interchange: Interchange, sender: str) -> list[Item]:
        if message.kind not in self._kinds:
            ours = message.kind in _READERS
            where = f"; the formats {message.kind.lower()} and edifact read it" if ours else ""
            detail = f"a message of the kind {message.kind[:20] or '(none)'}{where}"
            return [Rejected(Reject.UNSUPPORTED, "S009.0065", detail)]
        if message.fault is not None:
            return [message.fault]
        try:
            header = Header.of(message, interchange, sender)
            return _READERS[message.kind](message, header)
        except Unusable as fault:
            return [fault.rejected]


def _format(kind: str, title: str, topic: str) -> Format:
    reader = _Reader(kind)
    return Format(
        kind.lower(), title, reader.decode, topic, "application/edifact", reader.recognises
    )


FORMATS = (
    _format("CODECO", "UN/EDIFACT CODECO: container gate-in and gate-out", topics.PORT.name),
    _format("COARRI", "UN/EDIFACT COARRI: container discharge and loading", topics.PORT.name),
    _format("IFTSTA", "UN/EDIFACT IFTSTA: multimodal status", topics.CARRIER.name),
    _format("CUSRES", "UN/EDIFACT CUSRES: customs response", topics.CUSTOMS.name),
    Format(
        "edifact",
        "UN/EDIFACT interchange of several kinds",
        _Reader(*_READERS).decode,
        None,
        "application/edifact",
        looks_like_edifact,
    ),
)
