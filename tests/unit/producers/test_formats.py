"""What holds for every format, whatever it reads."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor import topics
from producers import formats
from producers.adapter import Format
from producers.push.endpoints import ENDPOINTS, Endpoint
from tests.unit.producers.properties import FUZZ, gives_only_items

DOCS = Path(__file__).parents[3] / "docs" / "formats"

every_format = pytest.mark.parametrize("format", formats.FORMATS, ids=lambda format: format.name)


def test_a_name_is_one_formats() -> None:
    assert len(formats.BY_NAME) == len(formats.FORMATS)


@every_format
def test_a_name_can_be_typed_and_is_a_folders(format: Format) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", format.name)
    assert format.name not in ("any", "done", "rejected")


@every_format
def test_events_go_to_a_topic_that_there_is(format: Format) -> None:
    names = {topic.name for topic in topics.UNIT_TOPICS}
    assert format.topic is None or format.topic in names


@pytest.mark.parametrize("family", formats.FAMILIES)
def test_each_family_has_its_page(family: str) -> None:
    text = (DOCS / f"{family}.md").read_text()
    for format in formats.FAMILIES[family]:
        assert f"`{format.name}`" in text


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_each_address_takes_the_formats_that_it_names(endpoint: Endpoint) -> None:
    assert endpoint.formats
    named = {format.name for format in endpoint.formats}
    assert named >= set(endpoint.only)


STARTS = (
    *(b"", b"{", b"[", b'{"a":"UNH', b"<?xml version='1.0'?><a>", b"UNA", b"UNB", b"UNH"),
    *(b"UNB+UNOC:2+A", b"UNB+UNOA:1+A+B'UNH+1+", b"FSU/15\r\n", b"!AI"),
)


@every_format
@FUZZ
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
def test_any_bytes_give_only_items(format: Format, start: bytes, rest: bytes) -> None:
    gives_only_items(format, start + rest)


def test_what_is_nothing_is_not_recognised() -> None:
    for message in (b"", b"hello", b"{}", b"[]", b"<a/>", bytes(range(256))):
        assert formats.recognise(message) is None
