"""Every format that we read, in one list."""

from producers.adapter import Format

FORMATS: tuple[Format, ...] = ()

BY_NAME = {format.name: format for format in FORMATS}


def recognise(message: bytes) -> Format | None:
    """The first format that a message looks like."""
    return next((format for format in FORMATS if format.recognises(message)), None)
