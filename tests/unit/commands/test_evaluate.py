"""`corridor evaluate`: the report, on whatever names and without positions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from commands.main import app

START = datetime(2026, 1, 1, tzinfo=UTC)
POINTS = (
    *("before_2h", "before_30min", "departure", "downstream"),
    *("progress_25", "progress_50", "progress_75", "progress_90"),
)


def text(time: datetime) -> str:
    return time.isoformat()


def lines(trains: int) -> list[dict[str, object]]:
    """Trains of a line that nobody knows, always 20 minutes late under way."""
    found: list[dict[str, object]] = []
    for number in range(trains):
        departure = START + timedelta(hours=number)
        unit = f"wagon {number}"
        leg = {
            "leg_id": "nowhere to elsewhere",
            "sequence": 1,
            "mode": "RAIL",
            "from_node": "nowhere",
            "to_node": "elsewhere",
            "planned_departure": text(departure),
            "planned_arrival": text(departure + timedelta(hours=2)),
        }
        plan = {
            "kind": "itinerary",
            "unit_id": unit,
            "shipment_id": unit,
            "corridor_id": "test",
            "version": 1,
            "issued_time": text(departure - timedelta(hours=12)),
            "legs": [leg],
        }
        found.append(plan)
        for code, node, minutes in (("DEPARTED", "nowhere", 5), ("ARRIVED", "elsewhere", 145)):
            found.append(
                {
                    "kind": "event",
                    "event_id": f"{unit} {code}",
                    "source": "railway",
                    "event_type": "TRANSPORT",
                    "code": code,
                    "event_time": text(departure + timedelta(minutes=minutes)),
                    "unit_id": unit,
                    "node_id": node,
                }
            )
    return found


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(line) for line in lines(80)))
    return path


def test_the_report_has_every_moment(history: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(history), "--json"])
    assert result.exit_code == 0, result.output
    report = orjson.loads(result.stdout)
    assert set(report["points"]) == set(POINTS)
    departure = report["points"]["departure"]
    assert departure["n"] == 80
    assert departure["timetable_mae_minutes"] == 25
    assert departure["persistence_mae_minutes"] == 20
    assert report["events"] == 240


def test_what_always_happens_is_foretold(history: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(history), "--json", "--since", "2026-01-03"])
    departure = orjson.loads(result.stdout)["points"]["departure"]
    assert departure["mae_minutes"] < 5
    assert departure["coverage_90"] > 0.9


def test_it_can_be_read(history: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(history)], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "departure" in result.output


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "none.jsonl")])
    assert result.exit_code == 1
    assert "none.jsonl" in result.output
