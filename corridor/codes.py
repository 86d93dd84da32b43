"""The vocabulary of events.

DCSA Track & Trace 3.0.0 (snapshot 20260525-beta) full-word codes; the marked extensions are ours,
where no standard has a word. Delay reasons are the SMDG DELAY code list.
"""

from enum import StrEnum


class EventType(StrEnum):
    TRANSPORT = "TRANSPORT"
    EQUIPMENT = "EQUIPMENT"
    SHIPMENT = "SHIPMENT"
    IOT = "IOT"
    REEFER = "REEFER"
    CUSTOMS = "CUSTOMS"  # ours: DCSA has customs only as equipment events


class Classifier(StrEnum):
    ACTUAL = "ACTUAL"
    ESTIMATED = "ESTIMATED"
    PLANNED = "PLANNED"


class Mode(StrEnum):
    RAIL = "RAIL"
    VESSEL = "VESSEL"
    BARGE = "BARGE"
    TRUCK = "TRUCK"
    AIR = "AIR"  # ours


class Stage(StrEnum):
    """Where a unit stands on one leg; see `corridor.tracking`."""

    PLANNED = "PLANNED"
    OVERDUE = "OVERDUE"
    EN_ROUTE = "EN_ROUTE"
    AT_NODE = "AT_NODE"
    DONE = "DONE"


class Ending(StrEnum):
    """How a leg ended."""

    ARRIVED = "ARRIVED"
    CANCELLED = "CANCELLED"
    DIVERTED = "DIVERTED"


class Signal(StrEnum):
    """How fresh the evidence of an estimate is."""

    LIVE = "LIVE"
    AGEING = "AGEING"
    STALE = "STALE"
    LOST = "LOST"


class AlertKind(StrEnum):
    """What an alert is about; `corridor/alerting/rules.yaml` says when."""

    DELAY = "DELAY"
    MISSED_CONNECTION = "MISSED_CONNECTION"
    STALLED = "STALLED"
    SIGNAL_LOST = "SIGNAL_LOST"
    DWELL_EXCEEDED = "DWELL_EXCEEDED"
    CUSTOMS_HOLD = "CUSTOMS_HOLD"
    SEAL_TAMPERED = "SEAL_TAMPERED"
    ROUTE_DEVIATION = "ROUTE_DEVIATION"
    CANCELLED = "CANCELLED"


class Level(StrEnum):
    """How bad it is, ascending."""

    MINOR = "MINOR"
    MAJOR = "MAJOR"
    CRITICAL = "CRITICAL"


class AlertState(StrEnum):
    """Where an alert or incident stands. Only OPEN and CLEARING are worth a message."""

    PENDING = "PENDING"  # the condition holds, but not for long enough yet
    OPEN = "OPEN"
    CLEARING = "CLEARING"  # it holds no more, but not for long enough yet
    RESOLVED = "RESOLVED"


class AlertFlag(StrEnum):
    """What else is to be known of a state."""

    STALE = "STALE"  # nothing fresh is heard: it may be over, but nobody knows
    FLAPPING = "FLAPPING"  # it came and went too often; it is held at its highest level


class Cause(StrEnum):
    """The kind of thing that an incident is about: its root cause."""

    RUN = "RUN"
    CONNECTION = "CONNECTION"  # from one run to the next
    NODE = "NODE"
    BORDER = "BORDER"
    LOCK = "LOCK"
    UNIT = "UNIT"


PLACES = frozenset({Cause.NODE, Cause.BORDER, Cause.LOCK})
"""Causes that are a place. A delay or cancellation of these explains those of runs."""


class Channel(StrEnum):
    """How a subscriber is told."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SSE = "sse"


class Order(StrEnum):
    """What somebody wants to be done about an incident."""

    ACK = "ACK"  # somebody sees to it: no reminders
    UNACK = "UNACK"
    SILENCE = "SILENCE"  # no messages, until a time
    UNSILENCE = "UNSILENCE"
    CLOSE = "CLOSE"  # over, until it is told of anew; the operator's only


class DeliveryOutcome(StrEnum):
    """What became of one try to tell a subscriber."""

    DELIVERED = "DELIVERED"
    RETRYING = "RETRYING"  # failed; comes again at `next_attempt_time`
    FAILED = "FAILED"  # given up; can be replayed
    DISABLED = "DISABLED"  # the endpoint is gone (410): the subscription is switched off
    REFUSED = "REFUSED"  # never sent: the address may not be called


class Status(StrEnum):
    """What became of a dead letter."""

    OPEN = "OPEN"
    REPLAYED = "REPLAYED"
    DROPPED = "DROPPED"


class Reject(StrEnum):
    """Why a message went to the quarantine."""

    MALFORMED = "MALFORMED"  # not JSON, or not the shape of its topic's model
    UNKNOWN_CODE = "UNKNOWN_CODE"  # the event's code is not one of its type
    UNKNOWN_VERSION = "UNKNOWN_VERSION"  # a schema_version that this release does not read
    WRONG_KEY = "WRONG_KEY"  # the record's key is not the unit (or run) of its value
    FUTURE = "FUTURE"  # an ACTUAL event that has not happened yet when it is told
    NO_ITINERARY = "NO_ITINERARY"  # no itinerary came in time for the event's unit
    TOO_MANY_WAITING = "TOO_MANY_WAITING"  # its unit has a full waiting room already
    EXPIRED = "EXPIRED"  # deleted from Kafka by retention before it was in its table
    # at the edges
    UNSUPPORTED = "UNSUPPORTED"  # a kind of message, or of statement, that we do not read
    BAD_CHECK_DIGIT = "BAD_CHECK_DIGIT"  # a container number that cannot be (ISO 6346)
    UNKNOWN_NODE = "UNKNOWN_NODE"  # a place that neither the gazetteer nor UN/LOCODE has
    IMPOSSIBLE_POSITION = "IMPOSSIBLE_POSITION"  # not on Earth, or too far from the last one
    FOREIGN_SOURCE = "FOREIGN_SOURCE"  # a party that speaks in another's name
    DECODER_FAILED = "DECODER_FAILED"  # our fault; kept, so that it can be replayed once mended


CODES: dict[EventType, frozenset[str]] = {
    EventType.TRANSPORT: frozenset(
        "APPROACHING ARRIVED DEPARTED"
        # ours
        " CANCELLED DIVERTED GAUGE_CHANGE_START GAUGE_CHANGE_END ARRIVED_BORDER HANDED_OVER"
        " LOCK_QUEUE_ENTER LOCK_ENTER LOCK_EXIT".split()
    ),
    EventType.EQUIPMENT: frozenset(
        "AVAILABLE_FOR_DROP_OFF AVAILABLE_FOR_PICKUP CROSSED CUSTOMS_RELEASED"
        " CUSTOMS_SELECTED_FOR_INSPECTION CUSTOMS_SELECTED_FOR_SCAN DISCHARGED DROPPED_OFF"
        " GATED_IN GATED_OUT INSPECTED LOADED PICKED_UP REMOVED RESEALED STRIPPED STUFFED".split()
    ),
    EventType.SHIPMENT: frozenset(
        "AMENDMENT_CANCELLED AMENDMENT_CONFIRMED AMENDMENT_DECLINED AMENDMENT_IN_PROGRESS"
        " AMENDMENT_RECEIVED APPROVED CANCELLATION_CONFIRMED CANCELLATION_DECLINED"
        " CANCELLATION_RECEIVED CANCELLED COMPLETED CONFIRMED DECLINED DRAFTED ISSUED ON_HOLD"
        " PENDING_AMENDMENT PENDING_APPROVAL PENDING_SURRENDER_FOR_AMENDMENT"
        " PENDING_SURRENDER_FOR_DELIVERY PENDING_UPDATE RECEIVED REJECTED RELEASED REQUESTED"
        " SUBMITTED SURRENDERED SURRENDERED_FOR_AMENDMENT SURRENDERED_FOR_DELIVERY"
        " UPDATE_CANCELLED UPDATE_CONFIRMED UPDATE_DECLINED UPDATE_IN_PROGRESS UPDATE_RECEIVED"
        " VOIDED"
        # ours: one bill over rail and sea
        " MTD_ISSUED MTD_ENDORSED MTD_SURRENDERED".split()
    ),
    EventType.IOT: frozenset(
        "BREADCRUMB DEVICE_STATUS DOOR_CLOSED DOOR_OPENED GEOFENCE_ENTRY GEOFENCE_EXIT"
        " MOTION_START MOTION_STOP PAIRING UNPAIRING"
        # ours: customs locks
        " SEALED UNSEALED_AUTHORISED TAMPER SHACKLE_CUT LOW_BATTERY SIGNAL_LOST".split()
    ),
    EventType.REEFER: frozenset("ADJUSTED MEASURED".split()),
    EventType.CUSTOMS: frozenset(
        "CUSTOMS_RELEASED CUSTOMS_SELECTED_FOR_INSPECTION CUSTOMS_SELECTED_FOR_SCAN ON_HOLD"
        # ours: the rest of a declaration's life
        " DECLARATION_ACCEPTED DECLARATION_REJECTED DOCUMENTS_REQUIRED INSPECTION_STARTED INSPECTED"
        " HOLD_LIFTED TRANSIT_ALLOWED REFUSED SEIZED EXIT_CONFIRMED"
        # ours: begun but not decided (UN/ECE Recommendation 24)
        " CLEARANCE_IN_PROGRESS"
        # ours: eTIR
        " TIR_REGISTERED TIR_DECLARED TIR_ACCEPTED TIR_STARTED TIR_TERMINATED TIR_DISCHARGED"
        " TIR_REFUSED TIR_CANCELLED".split()
    ),
}
