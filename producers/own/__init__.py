"""Our own formats: the messages on our topics, and the lines of a replay file."""

from producers.adapter import Format
from producers.own.messages import EVENT, ITINERARY, REPLAY

FORMATS: tuple[Format, ...] = (REPLAY, EVENT, ITINERARY)
