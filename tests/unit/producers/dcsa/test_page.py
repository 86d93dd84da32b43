"""What the page of the format shows is what comes of it."""

import re
from pathlib import Path

import orjson

from corridor.models import TrackingEvent
from producers.dcsa import codes, tracking

PAGE = (Path(__file__).parents[4] / "docs/formats/dcsa.md").read_text()


def test_the_event_of_the_example_is_what_the_page_shows() -> None:
    message, shown = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (event,) = tracking.decode(message.encode(), "HUB")
    assert isinstance(event, TrackingEvent)
    assert orjson.loads(event.to_json()) == orjson.loads(shown)


def test_the_page_names_every_cut_off() -> None:
    assert all(f"`cutoff_{name}`" in PAGE for name in codes.CUT_OFFS.values())
