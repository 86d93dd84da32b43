"""From the positions of a unit or run to the events that they show.

What a geofence says is said as an event of ours, of the same subject. What a party states of the
same arrival or departure outranks it (`corridor.tracking.stages`).
"""

from datetime import datetime, timedelta

import msgspec

from corridor.codes import Classifier, EventType, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from corridor.models import TrackingEvent
from corridor.network.geofence import Crossing, Whereabouts, plausible, update
from corridor.tracking.stages import GEOFENCE
from corridor.tracking.unit import BEGINNING

LOCATING = frozenset({EventType.IOT, EventType.REEFER})
"""Events of devices that are where their unit is; another party's position is that of a place."""

KEEP_MS = 7 * 24 * 3600 * 1000
"""How long a subject of which nothing more is heard is remembered, by the receiver's clock."""


class Located(msgspec.Struct, array_like=True):
    """Where a unit or run is, as far as its devices have said."""

    subject: str
    whereabouts: Whereabouts
    touched_ms: int = 0
    passed_on: datetime = BEGINNING
    """The time of the last position that was told to who is aboard."""


PASS_ON_EVERY = timedelta(minutes=10)
"""Of a run that tells more often, who is aboard hears no more often: a vessel carries thousands."""


def is_position(event: TrackingEvent) -> bool:
    """Whether an event says where its subject is."""
    return (
        event.latitude is not None
        and event.longitude is not None
        and event.event_type in LOCATING
        and event.classifier is Classifier.ACTUAL
        and not event.retracted
    )


def locate(located: Located, event: TrackingEvent) -> list[TrackingEvent] | Rejected:
    """Takes a position; what is to be said of it, or why it cannot be true.

    The state changes in either case: a row of impossible positions that agree is believed.
    """
    assert event.latitude is not None
    assert event.longitude is not None
    place = (event.latitude, event.longitude, event.event_time, event.mode)
    detail = plausible(located.whereabouts, *place)
    if detail is not None:
        return Rejected(Reject.IMPOSSIBLE_POSITION, "latitude", detail)
    crossings = update(located.whereabouts, *place)
    # where it is when it is first heard of, it came to at some time that nobody knows
    return [_told(event, crossing) for crossing in crossings if crossing.earliest is not None]


def to_pass_on(located: Located, event: TrackingEvent) -> bool:
    """Whether a position of a run is to be told to who is aboard; notes that it was."""
    if event.event_time < located.passed_on + PASS_ON_EVERY:
        return False
    located.passed_on = event.event_time
    return True


def _told(position: TrackingEvent, crossing: Crossing) -> TrackingEvent:
    assert crossing.earliest is not None
    attributes: dict[str, str | int | float | bool | None] = {
        "position": f"{position.source}/{position.event_id}",
        "not_before": crossing.earliest.isoformat(),
    }
    subject = {
        name: value
        for name in ("unit_id", "run_id", "shipment_id", "mode")
        if (value := getattr(position, name)) is not None
    }
    return TrackingEvent(
        event_id=derived_id(
            position.subject, crossing.node_id, crossing.code, crossing.time.isoformat()
        ),
        source=GEOFENCE,
        event_type=EventType.TRANSPORT,
        code=crossing.code,
        classifier=Classifier.ACTUAL,
        event_time=crossing.time,
        updated_time=crossing.latest,
        node_id=crossing.node_id,
        attributes=attributes,
        **subject,
    )
