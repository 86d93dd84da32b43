"""What a unit's worker tells the place where incidents are gathered: `alerts.signals`."""

from datetime import datetime

import msgspec

from corridor.alerting.alarm import Reading
from corridor.codes import AlertFlag, AlertKind, AlertState, Cause, Mode


class Alert(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How one condition on one unit stands: the whole of it, not what has changed.

    Fields may be appended, never moved.
    """

    key: str
    """`dedup_key` of the incident that explains it; the key of the record."""
    kind: AlertKind
    cause: Cause
    subject: str
    unit_id: str
    shipment_id: str
    sequence: int
    revision: int
    """Ascending for each unit: of one member, the highest holds."""
    state: AlertState
    level: int
    as_of: datetime
    reading: Reading
    corridor_id: str
    leg_id: str
    mode: Mode
    from_node: str
    to_node: str
    parties: tuple[str, ...] = ()
    flags: tuple[AlertFlag, ...] = ()
    late: bool = False
    parent: str | None = None
    """`dedup_key` of the incident that explains this one, if it stands."""
    run_key: str | None = None
    """Of a place: `dedup_key` of the run's incident that it may explain."""

    @property
    def member(self) -> str:
        """Who it is within its incident."""
        return f"{self.unit_id} {self.shipment_id} {self.sequence}"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Alert).decode


def encode(alert: Alert) -> bytes:
    """The value of its record."""
    return _encode(alert)


def decode(value: bytes | None) -> Alert:
    """Reads a record's value.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _decode(value or b"")
