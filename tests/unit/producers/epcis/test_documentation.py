"""`docs/formats/epcis.md` says what the reader does."""

import re
from pathlib import Path

import orjson
import pytest

from corridor.models import TrackingEvent
from producers.epcis import vocabulary
from producers.epcis.documents import EPCIS
from producers.epcis.sensors import UNITS

PAGE = (Path(__file__).parents[4] / "docs/formats/epcis.md").read_text(encoding="utf-8")


def test_the_example_gives_the_event_beside_it() -> None:
    message, told = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    [found] = EPCIS.decode(message.encode(), "terminal")
    assert isinstance(found, TrackingEvent)
    assert orjson.loads(found.to_json()) == orjson.loads(told)


@pytest.mark.parametrize(
    "word",
    sorted({*vocabulary.STEPS, *vocabulary.NEUTRAL, *vocabulary.FOREIGN, *UNITS} - {"C62"}),
)
def test_every_step_and_unit_is_documented(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE)
