from datetime import UTC, datetime

import pytest

from producers.adapter import Unusable
from producers.edifact import times
from producers.edifact.interchange import Segment
from tests.unit.producers.edifact.messages import CODECO, changed, event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2603021200", "201"),
        ("260302120000", "202"),
        ("202603021200", "203"),
        ("20260302120000", "204"),
        ("202603022000+0800", "205"),
        ("202603020730-0430", "205"),
        ("2603021200UTC", "301"),
        ("260302130000CET", "302"),
        ("202603021200Z", "303"),
        ("202603021200GMT", "303"),
        ("202603022100JST", "303"),
        ("20260302150000MSK", "304"),
        ("202603022000+08", "303"),
        # a format that is wrong about how exact it is
        ("20260302120000", "203"),
        ("202603021200", "204"),
        ("202603021200", "102"),
        ("20260302120000", "202"),
        ("202603021200", ""),
        ("20260302120000", "201"),
    ],
)
def test_points_in_time_are_read(text: str, form: str) -> None:
    assert times.read(text, form, "DTM", None).time == NOON


@pytest.mark.parametrize(
    ("text", "form"), [("260302", "101"), ("20260302", "102"), ("20260302", "203")]
)
def test_a_day_alone_is_its_beginning_and_says_so(text: str, form: str) -> None:
    found = times.read(text, form, "DTM", None)

    assert found.time == datetime(2026, 3, 2, tzinfo=UTC)
    assert found.attributes()["time_precision"] == "day"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "203"),
        ("soon", "203"),
        ("202602301200", "203"),
        ("202603022500", "203"),
        ("000000000000", "203"),
        ("999912312359", "203x"),
        ("2603021200", "203"),
        ("20050826120936544751", "ZZZ"),
        ("202603021200", "ZZZ"),
        ("202603021200", "718"),
        ("202603021200CST", "303"),
        ("202603021200+9900", "303"),
        ("٢٠٢٦٠٣٠٢١٢٠٠", "203"),
        ("1" * 5000, "203"),
    ],
)
def test_what_is_no_point_in_time_is_rejected(text: str, form: str) -> None:
    with pytest.raises(Unusable):
        times.read(text, form, "DTM", None)


def test_a_time_without_zone_is_the_local_time_of_its_place() -> None:
    found = event("CODECO", *CODECO)

    assert found.node_id == "CNQZH"
    assert found.event_time == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert found.attributes["assumed_time_zone"] == "Asia/Shanghai"


def test_a_time_without_zone_at_a_place_without_one_is_taken_for_utc() -> None:
    found = event("CODECO", *changed(CODECO, _7="LOC+165+KMYVA:139:6"))

    assert found.event_time == datetime(2026, 3, 2, 14, tzinfo=UTC)
    assert found.attributes["assumed_time_zone"] == "UTC"


def test_a_time_with_a_zone_assumes_nothing() -> None:
    found = event("CODECO", *changed(CODECO, _6="DTM+7:202603021400UTC:303"))

    assert found.event_time == datetime(2026, 3, 2, 14, tzinfo=UTC)
    assert "assumed_time_zone" not in found.attributes


def test_a_fault_names_the_qualifier() -> None:
    segment = Segment("DTM", (("7", "never", "203"),))

    with pytest.raises(Unusable) as raised:
        times.instant(segment, None)
    assert raised.value.rejected.field == "DTM+7"
