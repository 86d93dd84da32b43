"""XML of strangers: parsed within bounds, read by local names, whatever the namespace."""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from producers.adapter import NESTED, malformed

BYTES = 8 * 1024 * 1024
"""How large a document may be."""
ELEMENTS = 100_000
"""How many elements a document may have."""


class _OutOfBounds(ValueError):
    """Too deep, or too many."""


class _Builder(TreeBuilder):
    """Builds a tree and gives up early where it grows out of bounds."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._count = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        self._depth += 1
        self._count += 1
        if self._depth > NESTED:
            raise _OutOfBounds(f"elements nest deeper than {NESTED}")
        if self._count > ELEMENTS:
            raise _OutOfBounds(f"there are more than {ELEMENTS:,} elements")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse(message: bytes) -> Element:
    """The root of a document.

    Raises:
        Unusable: it is not well-formed, has a DTD or entities, or is out of bounds.
    """
    if len(message) > BYTES:
        malformed(None, f"the document has {len(message):,} bytes; {BYTES:,} are allowed")
    parser = DefusedXMLParser(target=_Builder(), forbid_dtd=True)
    try:
        parser.feed(message.lstrip())
        root: Element = parser.close()
    except DefusedXmlException:
        malformed(None, "a DTD or entities are not allowed")
    except (ParseError, _OutOfBounds, LookupError, ValueError) as error:
        malformed(None, f"not XML that can be read: {str(error)[:200]}")
    return root


def name(element: Element) -> str:
    """The local name of an element."""
    return element.tag.rpartition("}")[2]


def children(element: Element | None, wanted: str) -> list[Element]:
    """The children of that name."""
    return [] if element is None else [child for child in element if name(child) == wanted]


def find(element: Element | None, *path: str) -> Element | None:
    """The first element along a path of names."""
    for step in path:
        element = next(iter(children(element, step)), None)
    return element


def text(element: Element | None, *path: str) -> str | None:
    """The text of the first element along a path, without white space around; None if empty."""
    found = find(element, *path)
    stripped = (found.text or "").strip() if found is not None else ""
    return stripped or None


def descendants(element: Element, *wanted: str) -> Iterator[Element]:
    """The element itself and all within it that have one of these names, in document order."""
    return (found for found in element.iter() if name(found) in wanted)
