"""Container numbers: ISO 6346:2022, clause 3 and annex A (the check digit)."""

import re

_NUMBER = re.compile(r"[A-Z]{3}[UJZ][0-9]{7}")
_SEPARATORS = re.compile(r"[\s./-]+")
# Letters count from 10 upwards, leaving out the multiples of 11 (ISO 6346, table A.1).
_VALUES = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n % 11), strict=True))
_VALUES |= {str(digit): digit for digit in range(10)}


def normalised(text: str) -> str:
    """A container number as it is compared: upper case, without separators."""
    return _SEPARATORS.sub("", text).upper()


def is_container_number(text: str) -> bool:
    """Whether a text has the form of a container number: owner, category, serial, check digit."""
    return _NUMBER.fullmatch(text) is not None


def check_digit(number: str) -> int:
    """The digit that the first ten characters of a container number call for."""
    total = sum(_VALUES[character] << place for place, character in enumerate(number[:10]))
    return total % 11 % 10
