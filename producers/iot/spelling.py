"""From JSON as a device spells it to the fields of a report, each with the name it came by."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from producers.adapter import NESTED, malformed
from producers.iot.words import CODE_OF, ELIDED, FIELD_OF, KINDS, SCALED, plain


class Spelled(NamedTuple):
    """The fields of one report."""

    fields: dict[str, Any]
    said: dict[str, str]
    """By field: what the message calls it."""

    def called(self, field: str) -> str:
        """A field in the message's own words; as we spell it, where it is not there."""
        return self.said.get(field, field.rstrip("_"))


def spelled(message: dict[str, Any]) -> Spelled:
    """The fields of a report, whatever the device calls them.

    Raises:
        Unusable: it nests too deeply.
    """
    fields: dict[str, Any] = {}
    said: dict[str, str] = {}
    ranks: dict[str, int] = {}
    flags: list[str] = []
    for path, name, value in _leaves(message, "", "", 0):
        if name in SCALED:
            field, factor = SCALED[name]
            rank = 0
            with suppress(TypeError, ValueError):  # the model says what is wrong with it
                value = float(value) * factor
        elif name in FIELD_OF:
            field, rank = FIELD_OF[name]
        else:
            if value is True and name in CODE_OF:
                flags.append(name)
            continue
        if name == "type" and isinstance(value, str) and plain(value) in KINDS:
            continue
        if rank < ranks.get(field, 1000):
            fields[field], said[field], ranks[field] = value, path, rank
    if flags:
        alarms = fields.get("alarms", [])
        fields["alarms"] = [*(alarms if isinstance(alarms, list) else [alarms]), *flags]
    return Spelled(fields, said)


def _leaves(
    part: dict[str, Any], path: str, prefix: str, depth: int
) -> Iterator[tuple[str, str, Any]]:
    """The values of a message: path, compared name, value; null and empty are as good as absent."""
    if depth > NESTED:
        malformed(path, f"nested more than {NESTED} deep")
    for key, value in part.items():
        if value is None or value == "" or value == [] or value == {}:
            continue
        name, where = prefix + plain(key), f"{path}.{key}" if path else key
        if not isinstance(value, dict):
            if name in ELIDED and _is_pair(value):
                yield f"{where}[0]", "longitude", value[0]  # GeoJSON (RFC 7946, 3.1.1)
                yield f"{where}[1]", "latitude", value[1]
            else:
                yield where, name, value
        elif FIELD_OF.get(name, ("", 0))[0] in ("alarms", "event"):
            yield where, name, [flag for flag, is_so in value.items() if is_so is True]
        else:
            yield from _leaves(value, where, "" if name in ELIDED else name, depth + 1)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (2, 3)
        and all(isinstance(one, int | float) for one in value)
    )


def reports(message: Any) -> list[tuple[str | None, Any]]:
    """The reports of a message, each with where it is; what a batch shares is in each."""
    if not isinstance(message, list):
        return _of(message)
    return [
        (f"[{index}].{where}" if where else f"[{index}]", report)
        for index, part in enumerate(message)
        for where, report in _of(part)
    ]


def _of(part: Any) -> list[tuple[str | None, Any]]:
    for key, value in part.items() if isinstance(part, dict) else ():
        field = FIELD_OF.get(plain(key), ("", 0))[0]
        if (
            field == "reports"
            and isinstance(value, list)
            and any(isinstance(x, dict) for x in value)
        ):
            shared = {name: one for name, one in part.items() if name != key}
            return [
                (f"{key}[{index}]", {**shared, **one} if isinstance(one, dict) else one)
                for index, one in enumerate(value)
            ]
    return [(None, part)]
