"""Incidents on their way through Kafka and ClickHouse to who asks for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from typer.testing import CliRunner

from commands.main import app
from corridor.alerting import incidents
from corridor.alerting.alarm import Reading
from corridor.alerting.alerts import Alert
from corridor.codes import AlertKind, AlertState, Cause, Mode
from corridor.settings import Settings
from sinks.clickhouse.client import connect
from tests.integration.sinks.flow import Flow
from tests.support import ClickHouse, wait_until

pytestmark = pytest.mark.stack

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "DELAY/RUN/X8066/CNCKG-CNQZH.RAIL"


def alert(unit: str, revision: int, state: AlertState, level: int = 2) -> Alert:
    reading = Reading(
        level,
        level,
        "DELAY.RAIL",
        "railway/DEPARTED-1",
        probability=0.9,
        opens_at=0.75,
        clears_at=0.3,
        thresholds=(3600.0, 21600.0, 86400.0),
        value=25_200.0,
        planned=START,
        expected=START + timedelta(hours=7),
        evidence="LEARNED",
        model_version="m-1",
    )
    return Alert(
        KEY,
        AlertKind.DELAY,
        Cause.RUN,
        "X8066",
        unit,
        f"S-{unit}",
        1,
        revision,
        state,
        level,
        START + timedelta(minutes=revision),
        reading,
        "ILSTC",
        "CNCKG-CNQZH.RAIL",
        Mode.RAIL,
        "CNCKG",
        "CNQZH",
        (f"SHIPPER-{unit}",),
    )


@pytest.fixture
def landed(
    kafka: str, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A database that a late train has come to, revision by revision."""
    flow = Flow(kafka, clickhouse)
    for name in ("kafka", "clickhouse_port", "clickhouse_http_port", "clickhouse_database"):
        monkeypatch.setenv(f"CORRIDOR_{name.upper()}", str(getattr(flow.settings, name)))
    flow.prepare()
    told = [alert(f"U{number}", number + 1, AlertState.OPEN) for number in range(3)]
    told.append(alert("U0", 9, AlertState.OPEN, 3))
    incident, values = incidents.gathered(told[0]), list[bytes]()
    for one in told:
        incidents.take(incident, one)
        values.append(incidents.message(incident, late=False).to_json())
    flow.publish("incidents", values, partition=0)
    sink = flow.sink()
    thread = Thread(target=sink.run, daemon=True)
    thread.start()
    wait_until(lambda: flow.count("incidents") == len(values), what="all revisions")
    yield flow.settings
    sink.stop()
    thread.join(30)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["alerts", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.output


def test_who_asks_sees_what_stands_and_why(landed: Settings) -> None:
    listed = run()
    assert "CRITICAL" in listed
    assert "Run X8066 is expected 7 h late" in listed
    identity = incidents.incident_id(KEY)
    why = run("explain", identity[:12])
    for part in (
        "rule DELAY.RAIL, by what is likely",
        "probability 90%; opens at 75%, clears at 30%",
        "value 7 h; CRITICAL from 1 d on",
        "planned 2026-01-01 00:00, expected 2026-01-01 07:00 UTC",
        "evidence LEARNED, model m-1",
        "3 units of 3 shipments now",
    ):
        assert part in why, why
    assert run("explain", KEY) == why
    assert f'"incident_id":"{identity}"' in run("--json")
    assert "Nothing stands." in run("--party", "SOMEBODY")
    assert "X8066" in run("--party", "SHIPPER-U2")
    assert "Nothing stands." in run("--kind", "STALLED")


def test_of_an_incident_the_newest_revision_is_current(landed: Settings) -> None:
    with connect(landed) as client:
        database = landed.clickhouse_database
        found = client.execute(
            "SELECT revision, level, unit_count, affected.unit_id, parties.party "
            f"FROM {database}.current_incidents"
        )
    assert found == [
        (4, "CRITICAL", 3, ["U0", "U1", "U2"], ["SHIPPER-U0", "SHIPPER-U1", "SHIPPER-U2"])
    ]


def test_an_id_that_nobody_has_is_said_to_be_none(landed: Settings) -> None:
    result = CliRunner().invoke(app, ["alerts", "explain", "nothing"])
    assert result.exit_code == 1
    assert "no incident nothing" in result.output
