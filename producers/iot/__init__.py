"""Devices: customs locks, trackers, reefers; and the MQTT gateway that they talk to."""

import re

from corridor import topics
from producers.adapter import Decode, Format
from producers.iot import reading

_MARKS = {
    "lock": rb"lock|shackle|seal|tamper",
    "reefer": rb"set_?point|setTemp|return_?(air|temp)|supply_?(air|temp)",
    "gps": rb"lat",
}
_LOOKED_AT = 20_000


def _format(name: str, title: str, decode: Decode) -> Format:
    mark = re.compile(rb'"[^"]*(' + _MARKS[name] + rb')[^"]*"', re.IGNORECASE)
    device = re.compile(rb'"(device|imei|terminal|tracker|lock)[^"]{0,20}"\s*:', re.IGNORECASE)

    def recognises(message: bytes) -> bool:
        start = message[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()
        return (
            start[:1] in (b"{", b"[")
            and device.search(start) is not None
            and mark.search(start) is not None
        )

    return Format(name, title, decode, topics.IOT.name, "application/json", recognises)


LOCK = _format("lock", "A customs lock's message, JSON", reading.lock)
REEFER = _format("reefer", "A reefer controller's message, JSON", reading.reefer)
GPS = _format("gps", "A tracker's positions, JSON", reading.gps)

FORMATS: tuple[Format, ...] = (LOCK, REEFER, GPS)
"""In the order in which a message is recognised: a lock and a reefer tell positions as well."""
