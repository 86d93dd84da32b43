"""Views of the current state.

They hide the two things that are easy to get wrong: FINAL (rows that a newer version replaces are
merged away only eventually) and what "current" means for each table.
"""

from collections.abc import Iterator

from sinks.clickhouse.tables import DEAD_LETTERS, EVENTS, INCIDENTS, ITINERARIES, OUTCOMES
from sinks.clickhouse.views.view import View


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


_FORECAST = (
    *(f"eta_p{level:02}" for level in (5, 10, 25, 50, 75, 90, 95)),
    *("late_probability", "missed_probability", "connection_slack_seconds", "stalled_since"),
)
"""What an estimate says of what is yet to come: nothing, once a leg has ended."""


def _legs() -> Iterator[str]:
    plan = (
        *("unit_id", "shipment_id", "corridor_id", "sequence", "leg_id", "mode", "from_node"),
        *("to_node", "service_id", "carrier_id", "planned_departure", "planned_arrival", "cutoff"),
    )
    yield f"SELECT {', '.join(f'p.{name} AS {name}' for name in plan)}, "
    # what it went by; what it is said to go by; what it was to go by
    yield "multiIf(o.run_id != '', o.run_id, e.run_id != '', e.run_id, p.run_id) AS run_id, "
    yield "multiIf(o.ending != '', 'DONE', e.stage != '', e.stage, 'PLANNED') AS stage, "
    yield "o.ending AS ending, "
    yield "coalesce(o.actual_departure, e.actual_departure) AS actual_departure, "
    yield "o.actual_arrival AS actual_arrival, "
    yield "if(stage = 'DONE', o.actual_arrival, e.eta_p50) AS expected_arrival, "
    yield "toFloat64(expected_arrival) - toFloat64(planned_arrival) AS delay_seconds, "
    for name in _FORECAST:
        yield f"if(stage = 'DONE', NULL, e.{name}) AS {name}, "
    yield "e.signal AS signal, e.evidence AS evidence, greatest(e.as_of, o.as_of) AS as_of "
    yield "FROM {database}.current_itineraries AS p "
    for name, view in (("o", "current_outcomes"), ("e", "current_estimates")):
        yield f"LEFT JOIN {{database}}.{view} AS {name} ON {name}.unit_id = p.unit_id "
        yield f"AND {name}.shipment_id = p.shipment_id AND {name}.sequence = p.sequence "
    yield "SETTINGS join_use_nulls = 0"


def _units() -> Iterator[str]:
    now = ("leg_id", "sequence", "mode", "from_node", "to_node", "run_id", "carrier_id", "stage")
    forecast = ("signal", "stalled_since", "missed_probability")
    end = ("planned_arrival", "expected_arrival", "eta_p05", "eta_p95", "late_probability")
    yield "SELECT unit_id, shipment_id, corridor_id, legs, legs_done, "
    yield "if(legs_done = legs, 'DONE', now.8) AS stage, "
    for position, name in enumerate(now[:-1], 1):
        yield f"now.{position} AS {name}, "
    for position, name in enumerate(forecast, len(now) + 1):
        yield f"now.{position} AS {name}, "
    yield "begin.1 AS origin, end.1 AS destination, "
    for position, name in enumerate(end, 2):
        yield f"end.{position} AS {name}, "
    yield "toFloat64(expected_arrival) - toFloat64(planned_arrival) AS delay_seconds, as_of "
    yield "FROM (SELECT unit_id, shipment_id, any(corridor_id) AS corridor_id, count() AS legs, "
    yield "countIf(stage = 'DONE') AS legs_done, max(as_of) AS as_of, "
    # the leg under way or next; of one that has done all, the last
    yield f"argMin(tuple({', '.join((*now, *forecast))}), "
    yield "if(stage = 'DONE', 1000000 - toInt64(sequence), toInt64(sequence))) AS now, "
    yield "argMin(tuple(from_node), sequence) AS begin, "
    yield f"argMax(tuple(to_node, {', '.join(end)}), sequence) AS end "
    yield "FROM {database}.current_legs GROUP BY unit_id, shipment_id)"


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
        "SELECT * EXCEPT said FROM {database}.latest_estimates FINAL",
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
        "current_legs",
        "Every leg of every plan that holds: as planned, as it went, as it is expected.",
        "".join(_legs()),
    ),
    View(
        "current_units",
        "Every journey of a unit: the leg it is on or takes next, and when it is expected at its "
        "destination.",
        "".join(_units()),
    ),
    View(
        "current_shipments",
        "Every shipment: how many of its units are there, and when the last one is expected.",
        "SELECT shipment_id, corridor_id, count() AS units, "
        "countIf(u.stage = 'DONE') AS units_done, "
        "multiIf(units_done = units, 'DONE', countIf(u.legs_done > 0 "
        "OR u.stage NOT IN ('PLANNED', 'OVERDUE')) > 0, 'UNDER_WAY', 'PLANNED') AS stage, "
        "any(u.origin) AS origin, "
        "any(u.destination) AS destination, max(u.planned_arrival) AS planned_arrival, "
        "max(u.expected_arrival) AS expected_arrival, max(u.eta_p95) AS eta_p95, "
        "max(u.delay_seconds) AS delay_seconds, max(u.late_probability) AS late_probability, "
        "max(u.as_of) AS as_of "
        "FROM {database}.current_units AS u GROUP BY shipment_id, corridor_id",
    ),
)
