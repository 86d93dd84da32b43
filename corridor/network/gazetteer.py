"""The places that we know, by every code that somebody uses for them."""

import re

_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}")


def resolve(code: str, facility: str | None = None) -> str | None:
    """The node that a code stands for, or None where there is no such place.

    Args:
        code: A UN/LOCODE, or an alias that the gazetteer has.
        facility: A terminal or station at that place, by whatever code the speaker uses.
    """
    text = code.strip().upper()
    return text if _LOCODE.fullmatch(text) else None
