"""Numbers of TIR carnets, and of the electronic guarantees that take their place."""

import re

from producers.adapter import malformed

_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9/.-]{3,34}")


def carnet(text: str, field: str) -> str:
    """A carnet or guarantee number, upper case and without spaces (eTIR 4.3: up to 35 characters).

    Raises:
        Unusable: it is none.
    """
    number = re.sub(r"\s+", "", text).upper()
    if not _NUMBER.fullmatch(number):
        malformed(field, f"{text[:40]!r} is no number of a TIR carnet or guarantee")
    return number
