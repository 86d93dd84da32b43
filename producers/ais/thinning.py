"""One position of a ship in a while: they send one every 2 to 10 s, which moves no ETA.

By the time of the events, never by a clock, so that a file read again gives the same events.
A position stays if the ship's last one that stayed is `seconds` older or more, or if it says
another navigational status. What a ship says of itself (types 5 and 24) stays if it is news, or
after an hour. ETAs stay if they are news.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from corridor.models import TrackingEvent
from producers.adapter import Item

SHIPS = 200_000
"""Ships remembered; more than there are with AIS at a time."""
SAID_AGAIN = timedelta(hours=1)


class _Kept(NamedTuple):
    time: datetime
    said: Any


class Thinning:
    """Remembers what stayed."""

    def __init__(self, seconds: float) -> None:
        """0 lets everything stay."""
        self._pause = timedelta(seconds=seconds)
        self._kept: OrderedDict[tuple[str, str, Any], _Kept] = OrderedDict()

    def stays(self, item: Item) -> bool:
        """Whether an item is worth telling."""
        if not self._pause or not isinstance(item, TrackingEvent):
            return True
        position = item.code == "BREADCRUMB"
        attributes = item.attributes
        kind = None if position else attributes.get("message_type")
        key = (item.subject, f"{item.event_type}.{item.code}", kind)
        said: Any = attributes.get("navigation_status") if position else _said(item)
        pause = self._pause if position else SAID_AGAIN
        kept = self._kept.get(key)
        told = item.updated_time
        # a report that is late by a moment is no news; one that is late by much is of another time
        if kept is not None and kept.said == said and abs(told - kept.time) < pause:
            return False
        self._kept[key] = _Kept(told, said)
        self._kept.move_to_end(key)
        if len(self._kept) > SHIPS:
            self._kept.popitem(last=False)
        return True


def _said(item: TrackingEvent) -> tuple[Any, ...]:
    times = (item.event_time,) if item.classifier != "ACTUAL" else ()
    return (item.node_id, *times, *sorted(item.attributes.items()))
