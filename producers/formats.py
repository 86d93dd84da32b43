"""Every format that we read, by family."""

from producers import air, ais, customs, dcsa, edifact, epcis, iot, own, rail
from producers.adapter import Format

FAMILIES: dict[str, tuple[Format, ...]] = {
    "own": own.FORMATS,
    "dcsa": dcsa.FORMATS,
    "epcis": epcis.FORMATS,
    "edifact": edifact.FORMATS,
    "customs": customs.FORMATS,
    "air": air.FORMATS,
    "rail": rail.FORMATS,
    "iot": iot.FORMATS,
    "ais": ais.FORMATS,
}
"""Each is a package of `producers`; its page in the docs has the same name."""

FORMATS: tuple[Format, ...] = tuple(format for formats in FAMILIES.values() for format in formats)

BY_NAME = {format.name: format for format in FORMATS}


def recognise(message: bytes, formats: tuple[Format, ...] = FORMATS) -> Format | None:
    """The first of some formats that a message looks like."""
    return next((format for format in formats if format.recognises(message)), None)
