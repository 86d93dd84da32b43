"""Which incidents a subscription is about."""

from typing import Any

import pytest

from corridor.codes import AlertKind, AlertState, Level, Mode
from corridor.models import Filters, Override
from sinks.subscribers.matching import fits, judged, meant
from tests.unit.subscribers.samples import incident, subscription


@pytest.mark.parametrize(
    ("filters", "fit"),
    [
        ({}, True),
        ({"kinds": ("DELAY", "STALLED")}, True),
        ({"kinds": ("STALLED",)}, False),
        ({"level": "MAJOR"}, True),
        ({"level": "CRITICAL"}, False),
        ({"unit_ids": ("U1", "U9")}, True),
        ({"unit_ids": ("U9",)}, False),
        ({"shipment_ids": ("S-U1",)}, True),
        ({"leg_ids": ("A-B.RAIL",)}, True),
        ({"leg_ids": ("B-C.RAIL",)}, False),
        ({"node_ids": ("B",)}, False),
        ({"corridor_ids": ("ILSTC",), "unit_ids": ("U1",)}, False),
    ],
)
def test_each_filter_that_is_given_must_fit(filters: dict[str, Any], fit: bool) -> None:
    assert fits(Filters.model_validate(filters), incident()) is fit


def test_who_was_told_hears_that_it_is_over_when_it_is_not_meant_any_more() -> None:
    by = subscription(filters=Filters(level=Level.CRITICAL))
    assert meant(by, incident(), told=False) is None
    over = meant(by, incident(), told=True)
    assert over is not None
    assert over.state is AlertState.RESOLVED


@pytest.mark.parametrize(
    ("delay", "level"),
    [(100, None), (1_000, Level.MINOR), (5_000, Level.MAJOR), (50_000, Level.CRITICAL)],
)
def test_an_override_says_what_is_bad_enough(delay: float, level: Level | None) -> None:
    own = Override(
        kind=AlertKind.DELAY, minor_seconds=600, major_seconds=3_600, critical_seconds=36_000
    )
    found = judged([own], incident(delay=delay))
    assert (found and found.level) == level


def test_an_override_of_another_mode_changes_nothing() -> None:
    own = Override(kind=AlertKind.DELAY, mode=Mode.AIR, minor_seconds=1e9)
    assert judged([own], incident()) == incident()
