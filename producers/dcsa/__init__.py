"""DCSA: Track & Trace (`dcsa-tnt`) and Commercial Schedules (`dcsa-schedule`)."""

import re

from corridor import topics
from producers.adapter import Format
from producers.dcsa import schedules, tracking

_EVENTS = re.compile(
    rb'"(eventClassifi(er|erCode|cation)|(transport|equipment|shipment|operations)EventTypeCode'
    rb'|retractedEventID|isRetracted)"\s*:',
    re.IGNORECASE,
)
_SCHEDULES = re.compile(
    rb'"(vesselSchedules|placeOfReceipt|routing|cutOffDateTimeCode)"\s*:', re.IGNORECASE
)


def _is_schedule(message: bytes) -> bool:
    return _SCHEDULES.search(message) is not None


def _is_events(message: bytes) -> bool:
    return _EVENTS.search(message) is not None and not _is_schedule(message)


FORMATS = (
    Format(
        name="dcsa-tnt",
        title="DCSA Track & Trace 2.2 to 3.0, with Just-in-Time port calls",
        decode=tracking.decode,
        topic=None,
        content_type="application/json",
        recognises=_is_events,
    ),
    Format(
        name="dcsa-schedule",
        title="DCSA Commercial Schedules 1.0",
        decode=schedules.decode,
        topic=topics.CARRIER.name,
        content_type="application/json",
        recognises=_is_schedule,
    ),
)
