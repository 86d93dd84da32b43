"""Wall clocks: what they show is turned into UTC, or nobody can tell."""

from datetime import UTC, datetime

import pytest

from producers.adapter import Unusable
from producers.zones import instant, wall_clock


def test_a_wall_clock_goes_by_its_zone_and_season() -> None:
    winter, summer = datetime(2030, 1, 15, 12), datetime(2030, 7, 15, 12)
    assert wall_clock(winter, "Europe/London") == datetime(2030, 1, 15, 12, tzinfo=UTC)
    assert wall_clock(summer, "Europe/London") == datetime(2030, 7, 15, 11, tzinfo=UTC)


def test_an_hour_shown_twice_is_taken_at_its_first_pass() -> None:
    shown = datetime(2030, 10, 27, 1, 30)
    assert wall_clock(shown, "Europe/London") == datetime(2030, 10, 27, 0, 30, tzinfo=UTC)


def test_a_time_with_an_offset_needs_no_zone() -> None:
    expected = datetime(2030, 1, 15, 4, tzinfo=UTC)
    assert instant("2030-01-15T12:00:00+08:00", "time", ()) == expected
    assert instant("2030-01-15T04:00:00Z", "time", ("Asia/Tokyo",)) == expected


def test_a_time_without_an_offset_is_of_the_zones_that_agree_on_it() -> None:
    zones = ("Europe/Berlin", "Europe/Vienna")
    assert instant("2030-01-15T12:00", "time", zones) == datetime(2030, 1, 15, 11, tzinfo=UTC)


@pytest.mark.parametrize("zones", [(), ("Europe/Madrid", "Atlantic/Canary")])
def test_a_time_without_an_offset_of_no_certain_zone_is_unusable(zones: tuple[str, ...]) -> None:
    with pytest.raises(Unusable, match="no offset"):
        instant("2030-01-15T12:00:00", "time", zones)


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59Z", "1969-12-31T12:00"]
)
def test_a_time_beyond_all_events_is_unusable(text: str) -> None:
    with pytest.raises(Unusable, match="1970 to 2199"):
        instant(text, "time", ("Asia/Shanghai", "America/New_York"))
