"""What the status codes of air cargo mean to us, and the events that one status makes.

Codes: IATA Cargo-XML code list 1.18, the same in Cargo-IMP FSU (section 3) and in the ONE Record
code list StatusCode; discrepancies: its sub-codes of DIS.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import NamedTuple

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from corridor.models import TrackingEvent
from producers.adapter import Item, Unusable, event, malformed
from producers.air.airports import Airport
from producers.air.waybills import run_id

ACTUAL, ESTIMATED, PLANNED = Classifier.ACTUAL, Classifier.ESTIMATED, Classifier.PLANNED


class Where(Enum):
    """Which end of a flight a status speaks of; most speak of an airport only."""

    DEPARTURE = "departure"
    ARRIVAL = "arrival"
    AIRPORT = "airport"


class Meaning(NamedTuple):
    """An event of ours."""

    event_type: EventType
    code: str
    classifier: Classifier = ACTUAL
    where: Where = Where.AIRPORT


_T, _E, _S, _C = EventType.TRANSPORT, EventType.EQUIPMENT, EventType.SHIPMENT, EventType.CUSTOMS

MEANINGS: dict[str, Meaning] = {
    "BKD": Meaning(_S, "CONFIRMED", PLANNED, Where.DEPARTURE),
    "DPU": Meaning(_E, "PICKED_UP"),
    "FOH": Meaning(_E, "GATED_IN"),
    "RCS": Meaning(_E, "GATED_IN"),
    "DOC": Meaning(_S, "SUBMITTED"),
    "PRE": Meaning(_E, "LOADED", PLANNED, Where.DEPARTURE),
    "MAN": Meaning(_E, "LOADED", PLANNED, Where.DEPARTURE),
    "DEP": Meaning(_T, "DEPARTED", ACTUAL, Where.DEPARTURE),
    "ARR": Meaning(_T, "ARRIVED", ACTUAL, Where.ARRIVAL),
    "RCF": Meaning(_E, "DISCHARGED", ACTUAL, Where.ARRIVAL),
    "AWR": Meaning(_S, "SUBMITTED", ACTUAL, Where.ARRIVAL),
    "FIW": Meaning(_E, "GATED_IN", ACTUAL, Where.ARRIVAL),
    "FOW": Meaning(_E, "GATED_OUT"),
    "TRM": Meaning(_T, "HANDED_OVER", PLANNED),
    "TFD": Meaning(_T, "HANDED_OVER"),
    "RCT": Meaning(_T, "HANDED_OVER"),
    "CRC": Meaning(_S, "REQUESTED"),
    "TGC": Meaning(_C, "ON_HOLD"),
    "CCD": Meaning(_C, "CUSTOMS_RELEASED"),
    "NFD": Meaning(_E, "AVAILABLE_FOR_PICKUP"),
    "AWD": Meaning(_S, "RELEASED"),
    "DLV": Meaning(_E, "GATED_OUT"),
    "DDL": Meaning(_E, "DROPPED_OFF"),
    "DIS": Meaning(_S, "ON_HOLD"),
    "OSI": Meaning(_S, "UPDATE_RECEIVED"),
    "OCI": Meaning(_S, "UPDATE_RECEIVED"),
}

DISCREPANCIES: dict[str, Meaning] = {
    # goods or papers that are not where they should be
    "MSCA": MEANINGS["DIS"],  # missing cargo
    "MSAW": MEANINGS["DIS"],  # missing air waybill
    "MSAV": MEANINGS["DIS"],  # missing mail document
    "MSMB": MEANINGS["DIS"],  # missing mail bag
    "OFLD": MEANINGS["DIS"],  # offloaded
    "SSPD": MEANINGS["DIS"],  # short-shipped
    "OVCD": MEANINGS["DIS"],  # overcarried
    # what was found again, or proved to be aboard
    "FDCA": MEANINGS["OSI"],  # found cargo
    "FDAW": MEANINGS["OSI"],  # found air waybill
    "FDAV": MEANINGS["OSI"],  # found mail document
    "FDMB": MEANINGS["OSI"],  # found mail bag
    "DFLD": Meaning(_E, "LOADED"),  # definitely loaded
}
"""Sub-codes of DIS; IATA-1R-CL-Ontology, July 2026."""

INDICATORS = {"A": ACTUAL, "E": ESTIMATED, "S": PLANNED}
"""What a time of a flight is: actual, estimated, scheduled (Cargo-IMP: type of time indicator)."""


class Timed(NamedTuple):
    """A time of a flight and what it is."""

    indicator: str
    time: datetime


@dataclass
class Status:
    """One status of one waybill, read from whatever format."""

    code: str
    waybill: str
    source: str
    flight: str | None = None
    """Designator."""
    departs: date | None = None
    """Local date that the flight is to depart on, where that is certain."""
    origin: Airport | None = None
    destination: Airport | None = None
    place: Airport | None = None
    """Where it happened, if it is of neither end of a flight."""
    time: datetime | None = None
    day: datetime | None = None
    """The beginning of its local day, where that is all that is said."""
    foreseen: str | None = None
    """The indicator of `time`, where that is not the actual one."""
    departure: Timed | None = None
    arrival: Timed | None = None
    updated: datetime | None = None
    retracted: bool = False
    discrepancy: str | None = None
    part: str = ""
    """Which part of a consignment it is of; empty for all of it."""
    attributes: dict[str, str | int | float | bool | None] = field(default_factory=dict)

    @property
    def run_id(self) -> str | None:
        """The flight, where it is known which."""
        if self.flight is None or self.departs is None:
            return None
        return run_id(self.flight, self.departs)


def meaning_of(code: str, discrepancy: str | None = None, field: str = "code") -> Meaning:
    """What a status code says.

    Raises:
        Unusable: there is no such code.
    """
    if code == "DIS" and discrepancy is not None:
        return DISCREPANCIES.get(discrepancy, MEANINGS["DIS"])
    meaning = MEANINGS.get(code)
    if meaning is None:
        raise Unusable(Reject.UNKNOWN_CODE, field, f"{code[:40]!r} is no status code of air cargo")
    return meaning


def items(status: Status) -> list[Item]:
    """The events of a status: its own, and one for each time of the flight that it tells.

    Raises:
        Unusable: it does not say when or where.
    """
    meaning = meaning_of(status.code, status.discrepancy)
    told: list[Item] = []
    own = _own(status, meaning)
    if own is not None:
        told.append(own)
    arrival = status.arrival
    if status.origin and status.departure and arrival and arrival.time <= status.departure.time:
        detail = "the flight would arrive before it departs: a day change indicator is missing"
        told.append(Rejected(Reject.MALFORMED, "time of arrival", detail))
        arrival = None
    for code, place, timed in (
        ("DEPARTED", status.origin, status.departure),
        ("ARRIVED", status.destination, arrival),
    ):
        # what has happened for certain leaves room for the schedule only
        said = own is not None and own.code == code
        if place is not None and timed is not None and (timed.indicator == "S" or not said):
            told.append(_movement(status, code, place, timed))
    if not told:
        malformed("time", f"{status.code} does not say when")
    return told


def _own(status: Status, meaning: Meaning) -> TrackingEvent | None:
    """The event of the status itself; None for a booking that the flight's times tell whole."""
    place, flown = status.place, None
    if meaning.where is Where.DEPARTURE:
        place, flown = status.origin or place, status.departure
    elif meaning.where is Where.ARRIVAL:
        place, flown = status.destination or place, status.arrival
    if status.code == "BKD" and flown is not None:
        return None
    time, extra = _when(status, meaning, flown)
    if time is None:
        return None
    if place is None:
        malformed("airport", f"{status.code} does not say where")
    classifier = meaning.classifier
    if status.code == "BKD" and status.flight is None:
        classifier = ACTUAL  # the making of the booking, not its flight
    if status.foreseen is not None and time == status.time:
        classifier = INDICATORS[status.foreseen]
    return event(
        event_id=_id(status, f"{status.code}{status.foreseen or ''}", place),
        event_type=meaning.event_type,
        code=meaning.code,
        classifier=classifier,
        event_time=time,
        **_common(status, place, extra),
    )


def _when(
    status: Status, meaning: Meaning, flown: Timed | None
) -> tuple[datetime | None, dict[str, str | bool]]:
    """The best time that a status tells for itself, and what is to be known of it."""
    moves = meaning.event_type is EventType.TRANSPORT
    if flown is not None and moves and flown.indicator == "A":
        return flown.time, {}
    if status.time is not None and (flown is None or meaning.classifier is not PLANNED):
        return status.time, {}
    if flown is not None and (moves or meaning.classifier is PLANNED):
        # the aircraft has moved for certain, at about this time
        return flown.time, {"time_type": flown.indicator} if moves else {}
    if status.day is not None and meaning.classifier is PLANNED:
        return status.day, {"date_only": True}
    if status.day is not None:
        malformed("time", f"{status.code} says on which day it happened, but not at what time")
    return None, {}


def _movement(status: Status, code: str, place: Airport, timed: Timed) -> TrackingEvent:
    classifier = INDICATORS[timed.indicator]
    return event(
        event_id=_id(status, f"{status.code}/{code}/{classifier}", place),
        event_type=EventType.TRANSPORT,
        code=code,
        classifier=classifier,
        event_time=timed.time,
        **_common(status, place, {}),
    )


def _id(status: Status, what: str, place: Airport) -> str:
    """The same statement sent again, or corrected, is the same: its times are left out."""
    return derived_id(
        status.waybill,
        what,
        status.run_id or status.flight or "",
        place.code,
        status.discrepancy or "",
        status.part,
    )


def _common(status: Status, place: Airport, extra: dict[str, str | bool]) -> dict[str, object]:
    told = {
        "status_code": status.code,
        "airport": place.code,
        "flight": status.flight,
        "discrepancy_code": status.discrepancy,
        **status.attributes,
        **extra,
    }
    return {
        "source": status.source,
        "updated_time": status.updated,
        "retracted": status.retracted or None,
        "unit_id": status.waybill,
        "shipment_id": status.waybill,
        "run_id": status.run_id,
        "mode": Mode.AIR,
        "node_id": place.node_id,
        "attributes": {name: value for name, value in told.items() if value is not None},
    }
