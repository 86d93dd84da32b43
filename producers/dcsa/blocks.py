"""The objects of a JSON message, read tolerantly and with the path of every field.

Names of fields are compared without case (carriers send `eventId` and `unLocationCode` too); null
and empty text are absent. Where a version of the standard nests what another keeps flat, blocks
are laid over each other, so that both are read by the same line.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from producers.adapter import Item, Unusable, malformed

Scalar = str | int | float | bool
Attributes = dict[str, Scalar | None]
Fields = Mapping[str, tuple[str, ...]]
"""Attribute -> what its field is called, in the versions of the standard."""

LONGEST = 500
"""Characters of a text that we go by."""

_BOM = b"\xef\xbb\xbf"


class Block:
    """One JSON object, or several of which the first that has a field answers."""

    __slots__ = ("_layers",)

    def __init__(self, *layers: tuple[str, dict[str, tuple[str, Any]]]) -> None:
        self._layers = layers

    @classmethod
    def of(cls, value: Any, path: str) -> "Block":
        """The block of a JSON object.

        Raises:
            Unusable: it is none.
        """
        if not isinstance(value, dict):
            malformed(path or None, "must be an object")
        fields = {
            name.lower(): (name, content)
            for name, content in value.items()
            if content is not None and not (isinstance(content, str) and not content.strip())
        }
        return cls((path, fields))

    def __bool__(self) -> bool:
        return any(fields for _, fields in self._layers)

    def __or__(self, other: "Block") -> "Block":
        return Block(*self._layers, *other._layers)

    @property
    def path(self) -> str:
        """Where it is in the message."""
        return self._layers[0][0] if self._layers else ""

    def where(self, name: str) -> str:
        """The path of a field of it."""
        return _join(self.path, name)

    def find(self, *names: str) -> tuple[str, Any] | None:
        """Path and value of a field, by the first of its names that there is."""
        for path, fields in self._layers:
            for name in names:
                found = fields.get(name.lower())
                if found is not None:
                    return _join(path, found[0]), found[1]
        return None

    def text(self, *names: str) -> str | None:
        """A text that we go by; numbers are taken as they are written.

        Raises:
            Unusable: it is something else, or too long for a code or an identifier.
        """
        found = self.find(*names)
        if found is None:
            return None
        path, value = found
        if isinstance(value, bool) or not isinstance(value, str | int):
            malformed(path, "must be text")
        text = str(value).strip()
        if len(text) > LONGEST:
            malformed(path, f"is longer than {LONGEST} characters")
        return text or None

    def scalar(self, *names: str) -> Scalar | None:
        """A value that is only kept; None if it is not flat."""
        found = self.find(*names)
        value = found[1] if found else None
        if isinstance(value, str):
            return value.strip() or None
        return value if isinstance(value, bool | int | float) else None

    def number(self, *names: str) -> float | None:
        """A finite number, which may be written as text; None if it is none."""
        value = self.scalar(*names)
        if value is None or isinstance(value, bool):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None

    def flag(self, *names: str) -> bool:
        """A flag, False by default.

        Raises:
            Unusable: it is neither true nor false.
        """
        found = self.find(*names)
        if found is None:
            return False
        flag = {"true": True, "false": False}.get(str(found[1]).strip().lower())
        if flag is None:
            malformed(found[0], "must be true or false")
        return flag

    def block(self, *names: str) -> "Block":
        """An object within; one that is absent has no fields. A list of one stands for it.

        Raises:
            Unusable: it is something else.
        """
        found = self.find(*names)
        if found is None:
            return Block()
        path, value = found
        if isinstance(value, list):
            if not value:
                return Block()
            if len(value) > 1:
                malformed(path, "must be one object")
            path, value = f"{path}[0]", value[0]
        return Block.of(value, path)

    def blocks(self, *names: str) -> list["Block"]:
        """The objects of a list within; a single one stands for it, what is no object is left."""
        found = self.find(*names)
        if found is None:
            return []
        path, value = found
        if isinstance(value, dict):
            return [Block.of(value, path)]
        if not isinstance(value, list):
            return []
        return [
            Block.of(part, f"{path}[{index}]")
            for index, part in enumerate(value)
            if isinstance(part, dict)
        ]

    def only(self, *names: str) -> "Block":
        """The first object of that name; none, if what has it is something else."""
        blocks = self.blocks(*names)
        return blocks[0] if blocks else Block()

    def take(self, fields: Fields) -> Attributes:
        """Those of some fields that there are, for the attributes of an event."""
        taken: Attributes = {}
        for attribute, names in fields.items():
            value = self.scalar(*names)
            if value is not None:
                taken[attribute] = value
        return taken


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def load(message: bytes) -> Any:
    """The JSON value of a message.

    Raises:
        Unusable: it is no JSON.
    """
    try:
        return orjson.loads(message.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        malformed(None, f"is no JSON: {error}")


def each_block(statements: Iterable[Any], read: Callable[[Any], Iterable[Item]]) -> list[Item]:
    """Reads statements, each for itself; they know their paths, so that nothing is added to it."""
    items: list[Item] = []
    for statement in statements:
        try:
            items.extend(read(statement))
        except Unusable as error:
            items.append(error.rejected)
    return items
