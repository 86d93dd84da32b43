"""Views of the current state: what people and dashboards query.

They hide the two things that are easy to get wrong: FINAL (rows that a newer version replaces are
merged away only eventually) and what "current" means for each table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sinks.clickhouse.tables import (
    DEAD_LETTERS,
    ESTIMATES,
    EVENTS,
    INCIDENTS,
    ITINERARIES,
    OUTCOMES,
)


@dataclass(frozen=True)
class View:
    """One plain view; `select` names tables as `{database}.table`."""

    name: str
    about: str
    select: str


def _unit_events() -> str:
    about = [c.name for c in EVENTS.all_columns if c.name != "unit_id"]
    columns = ", ".join(f"e.{name} AS {name}" for name in about)
    aboard = (
        "SELECT unit_id, run_id FROM {database}.current_itineraries WHERE run_id != '' "
        "UNION DISTINCT SELECT unit_id, run_id FROM {database}.current_events "
        "WHERE unit_id != '' AND code = 'LOADED' AND run_id != ''"
    )
    documents = "SELECT DISTINCT unit_id, shipment_id FROM {database}.current_itineraries"
    return (
        f"SELECT e.unit_id AS unit_id, 'unit' AS told_of, {columns} "
        "FROM {database}.current_events AS e WHERE e.unit_id != '' "
        f"UNION ALL SELECT a.unit_id AS unit_id, 'run' AS told_of, {columns} "
        f"FROM ({aboard}) AS a INNER JOIN {{database}}.current_events AS e "
        "ON a.run_id = e.run_id WHERE e.unit_id = '' AND e.run_id != '' "
        f"UNION ALL SELECT a.unit_id AS unit_id, 'shipment' AS told_of, {columns} "
        f"FROM ({documents}) AS a INNER JOIN {{database}}.current_events AS e "
        "ON a.shipment_id = e.shipment_id WHERE e.unit_id = '' AND e.run_id = ''"
    )


def _latest_estimate() -> Iterator[str]:
    identity = ("corridor_id", "leg_id", "unit_id", "shipment_id", "sequence")
    rest = [c.name for c in ESTIMATES.all_columns if c.name not in identity]
    yield f"SELECT {', '.join(identity)}"
    for position, name in enumerate(rest, 1):
        yield f", tupleElement(latest, {position}) AS {name}"
    # the tuple keeps the NULLs of the winner, which argMax of one column would skip
    yield (
        f" FROM (SELECT {', '.join(identity)}, "
        f"argMax(tuple({', '.join(rest)}), (as_of, _record_time, _offset)) AS latest "
        f"FROM {{database}}.{ESTIMATES.name} GROUP BY {', '.join(identity)})"
    )


VIEWS = (
    View(
        "current_itineraries",
        "The legs of the highest version of each itinerary.",
        f"SELECT * FROM {{database}}.{ITINERARIES.name} FINAL "
        "WHERE (unit_id, shipment_id, version) IN (SELECT unit_id, shipment_id, max(version) "
        f"FROM {{database}}.{ITINERARIES.name} GROUP BY unit_id, shipment_id)",
    ),
    View(
        "current_events",
        "Events that hold: the newest version of each, without those taken back.",
        f"SELECT * FROM {{database}}.{EVENTS.name} FINAL WHERE NOT retracted",
    ),
    View(
        "unit_events",
        "Events of every unit: its own, those of the runs that it goes by, and those that name "
        "only its document; `told_of` says which.",
        _unit_events(),
    ),
    View(
        "open_dead_letters",
        "Messages in the quarantine that nobody has replayed or dropped yet.",
        f"SELECT * FROM {{database}}.{DEAD_LETTERS.name} FINAL WHERE status = 'OPEN'",
    ),
    View(
        "current_estimates",
        "The latest estimate for each leg of each unit.",
        "".join(_latest_estimate()),
    ),
    View(
        "current_outcomes",
        "Finished legs that hold: the newest version of each, without those taken back.",
        f"SELECT * FROM {{database}}.{OUTCOMES.name} FINAL WHERE NOT retracted",
    ),
    View(
        "current_incidents",
        "Every incident in its newest revision, also those that are over.",
        f"SELECT * FROM {{database}}.{INCIDENTS.name} FINAL "
        "WHERE (incident_id, revision) IN (SELECT incident_id, max(revision) "
        f"FROM {{database}}.{INCIDENTS.name} GROUP BY incident_id)",
    ),
    View(
        "departure_errors",
        "Legs that arrived: how wrong the ETA at departure was, and how wrong the timetable; "
        "seconds, positive when the leg came later than said.",
        "SELECT outcome_id, corridor_id, leg_id, unit_id, shipment_id, mode, service_id, "
        "carrier_id, planned_arrival, actual_departure, actual_arrival, "
        "predictions.eta_p50[at] AS eta_at_departure, "
        "predictions.evidence[at] AS evidence, "
        "predictions.model_version[at] AS model_version, "
        "toFloat64(actual_arrival) - toFloat64(eta_at_departure) AS eta_error_seconds, "
        "toFloat64(actual_arrival) - toFloat64(planned_arrival) AS timetable_error_seconds "
        "FROM (SELECT *, indexOf(predictions.stage, 'EN_ROUTE') AS at "
        f"FROM {{database}}.{OUTCOMES.name} FINAL "
        "WHERE NOT retracted AND ending = 'ARRIVED' AND actual_arrival IS NOT NULL) "
        "WHERE at > 0",
    ),
)
