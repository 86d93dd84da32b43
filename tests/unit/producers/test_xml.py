"""XML of strangers: read within bounds, whatever its namespaces."""

import pytest

from producers import xml
from producers.adapter import NESTED, Unusable


def test_elements_are_found_by_their_local_names() -> None:
    root = xml.parse(b'<a:x xmlns:a="urn:1"><y xmlns="urn:2"><z> told </z></y></a:x>')
    assert (xml.name(root), xml.text(root, "y", "z")) == ("x", "told")


def test_an_empty_element_has_no_text() -> None:
    assert xml.text(xml.parse(b"<x><y> </y></x>"), "y") is None


def test_elements_are_found_at_any_depth_in_document_order() -> None:
    root = xml.parse(b"<x><a>1</a><b><a>2</a></b></x>")
    assert [found.text for found in xml.descendants(root, "a")] == ["1", "2"]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no xml",
        b"<x>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="klingon"?><x/>',
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<x>" * (NESTED + 1) + b"</x>" * (NESTED + 1),
        b"<x>" + b"<y/>" * xml.ELEMENTS + b"</x>",
        b"<x>" + b" " * xml.BYTES + b"</x>",
    ],
    ids=["empty", "text", "open", "binary", "encoding", "entity", "dtd", "deep", "many", "large"],
)
def test_what_is_not_well_formed_or_out_of_bounds_is_unusable(message: bytes) -> None:
    with pytest.raises(Unusable):
        xml.parse(message)
