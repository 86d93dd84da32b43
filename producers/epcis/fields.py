"""Fields of an EPCIS event in JSON, as people really write them."""

from typing import Any, cast

from producers import adapter

Scalar = str | int | float | bool
Fields = dict[str, Any]

LONGEST = 2_000
"""Characters of a text; longer ones are no ids, numbers or remarks."""
_SHOWN = 60


def text(fields: Fields, name: str, path: str = "") -> str | None:
    """A text; None where it is missing, null or blank.

    Raises:
        Unusable: it is something else.
    """
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        adapter.malformed(path + name, f"{shown(value)} is no text")
    if len(value) > LONGEST:
        adapter.malformed(path + name, f"it has more than {LONGEST:,} characters")
    return value.strip() or None


def several(fields: Fields, name: str) -> list[Any]:
    """A list; one thing by itself is a list of one, and a missing one is empty."""
    value = fields.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def block(value: Any, field: str | None) -> Fields:
    """An object.

    Raises:
        Unusable: it is something else.
    """
    if not isinstance(value, dict):
        adapter.malformed(field, f"{shown(value)} is no object")
    return cast(Fields, value)


def identified(fields: Fields, name: str) -> str | None:
    """An id, by itself or as the `id` of an object.

    Raises:
        Unusable: it is something else.
    """
    value = fields.get(name)
    if isinstance(value, dict):
        return text(value, "id", f"{name}.")
    return text(fields, name)


def kind(fields: Fields) -> str | None:
    """What a document or event says that it is; drafts of the standard wrote `isA`."""
    for name in ("type", "@type", "isA"):
        value = fields.get(name)
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, str)), None)
        if isinstance(value, str):
            return value.strip()
    return None


def joined(values: list[Any], most: int = 20) -> str | None:
    """Texts in one attribute; past the most only their number is told."""
    texts = [value.strip()[:500] for value in values if isinstance(value, str) and value.strip()]
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "") or None


def shown(value: Any) -> str:
    """A value as a fault quotes it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value)[:_SHOWN]
