"""JSON-LD as far as ONE Record needs it: terms by their local names, references resolved.

Compact or expanded, with any prefixes, `@graph` or nested objects: all give the same plain tree.
No context is fetched: the local name of a property is enough to know it.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any

import orjson

from producers.adapter import NESTED, malformed

Object = dict[str, Any]

_HOLDERS = ("@value", "@list", "@set")
_OBJECTS = 50_000


class Document:
    """A JSON-LD document, its objects normalised and indexed by their `@id`."""

    def __init__(self, message: bytes) -> None:
        """Reads a document.

        Raises:
            Unusable: it is not JSON, or is out of bounds.
        """
        try:
            raw = orjson.loads(message.removeprefix(BOM_UTF8))
        except orjson.JSONDecodeError as error:
            malformed(None, f"not JSON: {error}")
        self._terms: dict[str, str] = {}
        self._count = 0
        self._by_id: dict[str, Object] = {}
        self._learn(raw)
        self.roots: list[Any] = [self._plain(part, 0) for part in _listed(raw)]

    def resolved(self, value: Any) -> Any:
        """The object that a reference stands for, where the document has it."""
        if isinstance(value, str):
            return self._by_id.get(value, value)
        if isinstance(value, dict) and set(value) <= {"@id", "@type"}:
            return self._by_id.get(str(value.get("@id")), value)
        return value

    def _learn(self, raw: Any) -> None:
        """Takes the terms that a context in the document defines."""
        contexts = [part.get("@context") for part in _listed(raw) if isinstance(part, dict)]
        for context in (inner for outer in contexts for inner in _listed(outer)):
            if not isinstance(context, dict):
                continue
            for term, meaning in context.items():
                iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
                # what ends like this is a prefix, no term
                if isinstance(iri, str) and not iri.endswith(("#", "/", ":", "_")):
                    self._terms[term] = iri

    def _plain(self, value: Any, depth: int) -> Any:
        if depth > NESTED:
            malformed(None, f"objects nest deeper than {NESTED}")
        self._count += 1
        if self._count > _OBJECTS:
            malformed(None, f"there are more than {_OBJECTS:,} values")
        if isinstance(value, list):
            return [self._plain(part, depth + 1) for part in value]
        if not isinstance(value, dict):
            return value
        for holder in _HOLDERS:
            if holder in value:
                return self._plain(value[holder], depth + 1)
        plain: Object = {}
        for key, part in value.items():
            name = self._name(key)
            if name == "@context" or part is None:
                continue
            if name == "@type":
                plain[name] = [self._name(kind) for kind in _listed(part) if isinstance(kind, str)]
            else:
                plain.setdefault(name, self._plain(part, depth + 1))
        identity = plain.get("@id")
        if isinstance(identity, str) and not set(plain) <= {"@id", "@type"}:
            self._by_id.setdefault(identity, plain)
        return plain

    def _name(self, key: str) -> str:
        key = self._terms.get(key, key)
        return key if key.startswith("@") else local(key)


def local(iri: str) -> str:
    """The local name of an IRI, compact or full."""
    return iri.rstrip("/#").rpartition("#")[2].rpartition("/")[2].rpartition(":")[2]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def values(holder: Object, *names: str) -> Iterator[Any]:
    """The values of the first of these properties that an object has."""
    for name in names:
        found = holder.get(name)
        if found is not None and found != []:
            yield from _listed(found)
            return


def first(holder: Any, *names: str) -> Any:
    """The first value of the first of these properties, or None."""
    return next(values(holder, *names), None) if isinstance(holder, dict) else None


def plain_text(holder: Any, *names: str) -> str | None:
    """A property as text; of an object its `code`, its name or its `@id`."""
    value = first(holder, *names)
    if isinstance(value, dict):
        value = first(value, "code", "Code", "name", "shortName", "@id")
    if isinstance(value, bool | int | float):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None
