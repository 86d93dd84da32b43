"""What nameless bearers are assigned to."""

from pathlib import Path

import pytest

from corridor.codes import Classifier, EventType
from corridor.models import TrackingEvent
from producers.iot import GPS
from producers.iot.assignments import Assignments, AssignmentsError

HEAD = "id,unit_id,run_id,shipment_id,mode,from,until\n"


def event(run: str = "MMSI:413000001", day: int = 10, **fields: object) -> TrackingEvent:
    return TrackingEvent.model_validate(
        {
            "event_id": "1",
            "source": "coast",
            "event_type": EventType.IOT,
            "code": "BREADCRUMB",
            "event_time": f"2026-11-{day}T00:00:00Z",
            "run_id": run,
            **fields,
        }
    )


def assignments(tmp_path: Path, *lines: str) -> Assignments:
    path = tmp_path / "assignments.csv"
    path.write_text(HEAD + "\n".join(lines))
    return Assignments(path)


@pytest.mark.parametrize("id", ["413000001", "MMSI:413000001"])
def test_a_ship_is_on_its_run(tmp_path: Path, id: str) -> None:
    found = assignments(tmp_path, f"{id},,9074729-12W,,barge,,").assign(event())
    assert isinstance(found, TrackingEvent)
    assert (found.run_id, found.mode, found.event_id) == ("9074729-12W", "BARGE", "1")


def test_a_device_is_on_its_unit(tmp_path: Path) -> None:
    found = assignments(tmp_path, "DEVICE:86,MSKU9070323,,,,,").assign(event("DEVICE:86"))
    assert isinstance(found, TrackingEvent)
    assert (found.unit_id, found.run_id) == ("MSKU9070323", None)


@pytest.mark.parametrize(("day", "run"), [(9, "MMSI:413000001"), (10, "A"), (12, "MMSI:413000001")])
def test_an_assignment_begins_and_ends(tmp_path: Path, day: int, run: str) -> None:
    line = "413000001,,A,,,2026-11-10T00:00:00Z,2026-11-12T00:00:00Z"
    found = assignments(tmp_path, line).assign(
        event(day=max(day, 10)) if day > 9 else event(day=10, event_time="2026-11-09T23:59:59Z")
    )
    assert isinstance(found, TrackingEvent)
    assert found.run_id == run


def test_the_last_line_that_fits_is_right(tmp_path: Path) -> None:
    found = assignments(tmp_path, "413000001,,A,,,,", "413000001,,B,,,,").assign(event())
    assert isinstance(found, TrackingEvent)
    assert found.run_id == "B"


def test_an_estimate_for_another_run_is_another_one(tmp_path: Path) -> None:
    estimate = event(classifier=Classifier.ESTIMATED)
    ids = set()
    for run in "AB":
        found = assignments(tmp_path, f"413000001,,{run},,,,").assign(estimate)
        assert isinstance(found, TrackingEvent)
        ids.add(found.event_id)
    assert len(ids) == 2


@pytest.mark.parametrize(
    "line", [",,A,,,,", "1,,,,,,", "1,,A,,PLANE,,", "1,,A,,,yesterday,", "1,,A,,,,2026-01-01T00:00"]
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(AssignmentsError, match=r"assignments\.csv:2"):
        assignments(tmp_path, line)


def test_a_format_s_events_are_assigned(tmp_path: Path) -> None:
    format = assignments(tmp_path, "86,MSKU9070323,,,,,").of(GPS)
    (found,) = format.decode(b'{"imei": 86, "time": 1795509000, "lat": 1, "lon": 2}', "acme")
    assert isinstance(found, TrackingEvent)
    assert found.unit_id == "MSKU9070323"


def test_without_a_file_nothing_changes() -> None:
    assert Assignments().of(GPS) is GPS
