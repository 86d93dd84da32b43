"""`docs/formats/customs.md` says what the readers do."""

import re
from pathlib import Path

import orjson
import pytest

from corridor.models import TrackingEvent
from producers.customs.etir import ETIR, MESSAGES, NAMES
from producers.customs.single_window import SINGLE_WINDOW, Verdict

PAGE = (Path(__file__).parents[4] / "docs/formats/customs.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[bytes]:
    """The code blocks of the page in one language."""
    return [block.encode() for block in re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)]


def test_the_example_of_a_single_window_gives_the_event_beside_it() -> None:
    message, told, _ = blocks("json")
    [found] = SINGLE_WINDOW.decode(message, "customs-kz")
    assert isinstance(found, TrackingEvent)
    assert orjson.loads(found.to_json()) == orjson.loads(told)


def test_the_example_of_etir_gives_the_event_beside_it() -> None:
    [message], [*_, told] = blocks("xml"), blocks("json")
    [found] = ETIR.decode(message, "customs-kz")
    assert isinstance(found, TrackingEvent)
    assert orjson.loads(found.to_json()) == orjson.loads(told)


@pytest.mark.parametrize(
    "name", sorted({name for names in NAMES.values() for name in names} - {"TypeCode"})
)
def test_every_name_that_is_read_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("word", [*Verdict, *MESSAGES])
def test_every_decision_and_message_is_documented(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE)
