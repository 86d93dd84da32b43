"""What all adapters build on: each fault is a value, with a field and words."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.adapter import (
    Item,
    Unusable,
    container,
    each,
    event,
    malformed,
    moment,
    node,
    position,
)
from tests.unit.samples import EVENT

GOOD = TrackingEvent.model_validate(EVENT)


def rejected(call: Callable[..., Any], *arguments: Any, **options: Any) -> Rejected:
    with pytest.raises(Unusable) as caught:
        call(*arguments, **options)
    return caught.value.rejected


# statements --------------------------------------------------------------------------------------


def read(part: str) -> Iterator[Item]:
    if part == "bad":
        malformed("time", "it is missing")
    if part == "worse":
        malformed(None, "nothing is right")
    yield GOOD


def test_a_bad_statement_does_not_spoil_the_others() -> None:
    items = each("events", ["good", "bad", "good"], read)
    fault = Rejected(Reject.MALFORMED, "events[1].time", "it is missing")
    assert items == [GOOD, fault, GOOD]


def test_a_fault_without_a_field_is_of_the_whole_statement() -> None:
    [item] = each("events", ["worse"], read)
    assert isinstance(item, Rejected)
    assert item.field == "events[0]"


def test_what_a_statement_gave_before_its_fault_stays() -> None:
    def half(part: str) -> Iterator[Item]:
        yield GOOD
        malformed("x", "then it broke")

    assert each("events", ["one"], half)[0] == GOOD


# events ------------------------------------------------------------------------------------------


def test_an_event_is_built_without_what_is_none() -> None:
    assert event(**EVENT, run_id=None, node_id=None) == GOOD


def test_what_the_model_does_not_take_is_a_fault_with_its_field() -> None:
    fault = rejected(event, **(EVENT | {"code": "NOPE"}))
    assert (fault.reason, fault.field) == (Reject.UNKNOWN_CODE, "code")


# containers --------------------------------------------------------------------------------------


def test_a_container_number_is_normalised() -> None:
    assert container(" csqu 305438-3", "unit") == "CSQU3054383"


def test_a_wrong_check_digit_says_which_one_it_should_be() -> None:
    fault = rejected(container, "CSQU3054384", "unit")
    assert (fault.reason, fault.field) == (Reject.BAD_CHECK_DIGIT, "unit")
    assert "needs 3" in fault.detail


@pytest.mark.parametrize("text", ["", "TRUCK-1", "CSQA3054383", "CSQU30543"])
def test_what_is_no_container_number_is_malformed(text: str) -> None:
    assert rejected(container, text, "unit").reason is Reject.MALFORMED


# places ------------------------------------------------------------------------------------------


def test_a_place_that_nobody_knows_is_a_fault() -> None:
    fault = rejected(node, "nowhere at all", "place")
    assert (fault.reason, fault.field) == (Reject.UNKNOWN_NODE, "place")


def test_a_place_is_found_by_its_code() -> None:
    assert node("cnckg", "place") == "CNCKG"


@pytest.mark.parametrize(("lat", "lon"), [(29.5, 106.5), ("29.5", "106.5"), ("-90", 180)])
def test_a_position_may_be_numbers_or_texts(lat: Any, lon: Any) -> None:
    assert position(lat, lon, "at") == (float(lat), float(lon))


@pytest.mark.parametrize(
    ("lat", "lon", "reason"),
    [
        (91, 0, Reject.IMPOSSIBLE_POSITION),
        (0, 181, Reject.IMPOSSIBLE_POSITION),
        (0, 0, Reject.IMPOSSIBLE_POSITION),
        ("nan", 1, Reject.IMPOSSIBLE_POSITION),
        ("inf", 1, Reject.IMPOSSIBLE_POSITION),
        (None, 1, Reject.MALFORMED),
        ("north", 1, Reject.MALFORMED),
        ([1], {}, Reject.MALFORMED),
    ],
)
def test_an_impossible_position_is_a_fault(lat: Any, lon: Any, reason: Reject) -> None:
    fault = rejected(position, lat, lon, "at")
    assert (fault.reason, fault.field) == (reason, "at")


# times -------------------------------------------------------------------------------------------

HALF_PAST_EIGHT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T08:30:00Z",
        "2026-11-24t08:30:00z",
        "2026-11-24 08:30:00Z",
        "2026-11-24T08:30Z",
        " 2026-11-24T08:30:00.000Z ",
        "2026-11-24T08:30:00,0+00:00",
        "2026-11-24T16:30:00+08:00",
        "2026-11-24T16:30:00+0800",
        "2026-11-24T16:30:00+08",
        "2026-11-24T00:00:00-08:30",
        "2026-11-24T08:30:00.000000000Z",
    ],
)
def test_a_time_is_read_as_people_write_it(text: str) -> None:
    assert moment(text, "time") == HALF_PAST_EIGHT


def test_a_fraction_is_kept_to_the_microsecond() -> None:
    assert moment("2026-11-24T08:30:00.1234569Z", "time").microsecond == 123456


def test_a_time_without_an_offset_needs_to_be_told_which_one_is_meant() -> None:
    assert "no offset" in rejected(moment, "2026-11-24T08:30:00", "time").detail
    assert moment("2026-11-24T16:30:00", "time", zone="+08:00") == HALF_PAST_EIGHT


def test_an_offset_that_is_written_wins_over_the_one_that_is_meant() -> None:
    assert moment("2026-11-24T08:30:00Z", "time", zone="+08:00") == HALF_PAST_EIGHT


@pytest.mark.parametrize(
    "text",
    [
        *("", "noon", "2026-11-24", "2026-02-30T00:00:00Z", "2026-11-24T25:00:00Z"),
        *("0001-01-01T00:00:00+14:00", "2026-11-24T08:30:00+99:00", "\uff12026-11-24T08:30:00Z"),
        *(None, 7, [], b"x"),
    ],
)
def test_what_is_no_time_is_malformed(text: Any) -> None:
    fault = rejected(moment, text, "time")
    assert (fault.reason, fault.field) == (Reject.MALFORMED, "time")


@given(st.text() | st.none() | st.integers() | st.floats())
def test_any_text_is_a_time_in_utc_or_a_fault(text: Any) -> None:
    with suppress(Unusable):
        assert moment(text, "time").tzinfo is UTC


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC)))
def test_a_time_survives_being_written(time: datetime) -> None:
    assert moment(time.isoformat(), "time") == time
