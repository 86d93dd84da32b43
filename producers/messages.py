"""Which topic takes an event whose source has no topic of its own."""

from corridor import topics
from corridor.codes import EventType

TOPIC_OF: dict[EventType, str] = {
    EventType.IOT: topics.IOT.name,
    EventType.REEFER: topics.IOT.name,
    EventType.EQUIPMENT: topics.PORT.name,
    EventType.CUSTOMS: topics.CUSTOMS.name,
    EventType.TRANSPORT: topics.CARRIER.name,
    EventType.SHIPMENT: topics.CARRIER.name,
}
