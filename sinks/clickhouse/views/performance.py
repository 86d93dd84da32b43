"""How well legs, nodes, borders, customs and estimates did.

Quantiles are linear between two values, as numpy's and pandas' are. The columns that end in
`_state` are states of them: `quantilesExactInclusiveMerge` adds hours up to any longer time.
"""

from corridor.alerting.rules import packaged
from corridor.codes import AlertKind, Mode
from corridor.lateness import LATE_BY
from sinks.clickhouse.feeds import HAPPENED
from sinks.clickhouse.tables import INCIDENTS, OUTCOMES
from sinks.clickhouse.views.view import View

QUANTILES = (0.1, 0.5, 0.9, 0.95)
HORIZONS_HOURS = (1, 3, 6, 12, 24, 48, 72, 120, 168, 336)
"""How long before an arrival its estimate is looked at."""

RELEASES = ("CUSTOMS_RELEASED", "TRANSIT_ALLOWED")
STOPS = (
    *("CUSTOMS_SELECTED_FOR_INSPECTION", "CUSTOMS_SELECTED_FOR_SCAN", "ON_HOLD"),
    *("DOCUMENTS_REQUIRED", "INSPECTION_STARTED", "INSPECTED", "DECLARATION_REJECTED"),
    *("REFUSED", "SEIZED"),
)
"""What customs say when a unit does not simply go through."""


def _listed(words: tuple[str, ...]) -> str:
    return f"({', '.join(repr(word) for word in words)})"


_LATE = (
    f"delay_seconds >= transform(mode, [{', '.join(repr(str(mode)) for mode in LATE_BY)}], "
    f"[{', '.join(str(minutes * 60) for minutes in LATE_BY.values())}], 0)"
)
_ALERTED_FROM = {
    mode: min(t for t in packaged().rule(AlertKind.DELAY, mode).thresholds if t is not None)
    for mode in Mode
}
"""Seconds from which on the package's rules alert of a delay."""
_ALERT_LIMIT = (
    f"transform(mode, [{', '.join(repr(str(mode)) for mode in _ALERTED_FROM)}], "
    f"[{', '.join(str(seconds) for seconds in _ALERTED_FROM.values())}], 0.0)"
)
_PERFORMER = "corridor_id, leg_id, mode, from_node, to_node, service_id, carrier_id"
_LEVELS = ", ".join(map(str, QUANTILES))
_UNIT = "unit_id, shipment_id, corridor_id"

_ARRIVALS = (
    f"SELECT outcome_id, unit_id, shipment_id, sequence, run_id, {_PERFORMER}, "
    "planned_departure, planned_arrival, actual_departure, "
    "assumeNotNull(actual_arrival) AS arrived, "
    "toFloat64(arrived) - toFloat64(planned_arrival) AS delay_seconds, "
    "toFloat64(arrived) - toFloat64(actual_departure) AS transit_seconds "
    "FROM {database}.current_outcomes WHERE ending = 'ARRIVED' AND actual_arrival IS NOT NULL"
)

_LEG_HOURS = (
    f"SELECT toStartOfHour(arrived) AS hour, {_PERFORMER}, "
    f"count() AS legs, countIf({_LATE}) AS late, "
    "sum(delay_seconds) AS delay_sum, "
    f"quantilesExactInclusiveState({_LEVELS})(delay_seconds) AS delay_state, "
    "countIf(transit_seconds IS NOT NULL) AS timed, "
    "sum(ifNull(transit_seconds, 0)) AS transit_sum, "
    f"quantilesExactInclusiveStateIf({_LEVELS})(ifNull(transit_seconds, 0), "
    "transit_seconds IS NOT NULL) AS transit_state "
    f"FROM ({_ARRIVALS}) GROUP BY hour, {_PERFORMER}"
)

_LEG_DAYS = (
    f"SELECT toDate(hour) AS day, {_PERFORMER}, sum(h.legs) AS legs, sum(h.late) AS late, "
    "sum(delay_sum) / legs AS delay_mean, delay[2] AS delay_p50, delay[3] AS delay_p90, "
    "delay[4] AS delay_p95, sum(h.timed) AS timed, "
    "if(timed = 0, NULL, sum(transit_sum) / timed) AS transit_mean, "
    "if(timed = 0, NULL, transit[1]) AS transit_p10, "
    "if(timed = 0, NULL, transit[2]) AS transit_p50, "
    "if(timed = 0, NULL, transit[3]) AS transit_p90, "
    f"quantilesExactInclusiveMerge({_LEVELS})(delay_state) AS delay, "
    f"quantilesExactInclusiveMerge({_LEVELS})(transit_state) AS transit "
    f"FROM {{database}}.leg_hours AS h GROUP BY day, {_PERFORMER}"
)

_STAYS = (
    f"SELECT {_UNIT}, to_node AS node_id, mode AS arrived_by, next.1 AS leaves_by, "
    "assumeNotNull(actual_arrival) AS arrived, next.2 AS departed, "
    "planned_arrival, next.3 AS planned_departure, "
    "toFloat64(departed) - toFloat64(arrived) AS dwell_seconds, "
    "toFloat64(planned_departure) - toFloat64(planned_arrival) AS planned_dwell_seconds "
    f"FROM (SELECT {_UNIT}, to_node, mode, actual_arrival, planned_arrival, sequence, "
    "leadInFrame(tuple(mode, actual_departure, planned_departure, from_node)) OVER ("
    "PARTITION BY unit_id, shipment_id ORDER BY sequence "
    "ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS next "
    "FROM {database}.current_legs) "
    "WHERE actual_arrival IS NOT NULL AND next.4 = to_node"
)

_STAY_DAYS = (
    "SELECT toDate(arrived) AS day, corridor_id, node_id, count() AS stays, "
    "countIf(departed IS NULL) AS still_there, "
    "avg(dwell_seconds) AS dwell_mean, "
    "quantileExactInclusiveOrNull(0.5)(dwell_seconds) AS dwell_p50, "
    "quantileExactInclusiveOrNull(0.9)(dwell_seconds) AS dwell_p90, "
    "avg(dwell_seconds - planned_dwell_seconds) AS beyond_plan_mean "
    "FROM {database}.node_stays GROUP BY day, corridor_id, node_id"
)


def _passages(kind: str, steps: tuple[tuple[str, str], ...]) -> View:
    names = [name for name, _ in steps]
    times = ", ".join(f"minOrNullIf(event_time, code = '{code}') AS {n}" for n, code in steps)
    first, last = names[0], names[-1]
    return View(
        f"{kind}_passages",
        f"Each run, or unit that travels alone, at each {kind}: {', '.join(names)}; "
        "`passage_seconds` from the first of them to the last.",
        f"SELECT run_id, unit_id, node_id, any(mode) AS mode, {times}, "
        f"toFloat64({last}) - toFloat64({first}) AS passage_seconds "
        f"FROM {{database}}.current_events WHERE {HAPPENED} "
        f"AND code IN {_listed(tuple(code for _, code in steps))} "
        "GROUP BY run_id, unit_id, node_id",
    )


_CLEARANCES = (
    "SELECT unit_id, shipment_id, corridor_id, leg_id, node_id, arrived, "
    f"minOrNullIf(event_time, code IN {_listed(STOPS)}) AS stopped, "
    f"minOrNullIf(event_time, code IN {_listed(RELEASES)}) AS released, "
    f"groupUniqArrayIf(code, code IN {_listed(STOPS)}) AS stops, "
    "any(source) AS source, "
    "toFloat64(released) - toFloat64(arrived) AS clearance_seconds "
    "FROM (SELECT c.unit_id AS unit_id, a.shipment_id AS shipment_id, "
    "a.corridor_id AS corridor_id, a.leg_id AS leg_id, c.node_id AS node_id, "
    "a.arrived AS arrived, a.outcome_id AS outcome_id, c.event_time AS event_time, "
    "c.code AS code, c.source AS source "
    "FROM (SELECT * FROM {database}.current_events WHERE unit_id != '' "
    f"AND {HAPPENED} AND event_type IN ('CUSTOMS', 'EQUIPMENT') "
    f"AND code IN {_listed((*RELEASES, *STOPS))}) AS c "
    # to the last arrival before it: boxes come again
    f"ASOF JOIN ({_ARRIVALS}) AS a ON c.unit_id = a.unit_id AND c.node_id = a.to_node "
    "AND c.event_time >= a.arrived) "
    "GROUP BY outcome_id, unit_id, shipment_id, corridor_id, leg_id, node_id, arrived"
)

_SAID = ("eta_p05", "eta_p25", "eta_p50", "eta_p75", "eta_p95", "stage", "evidence")


def _horizons() -> str:
    """Each estimate falls between two horizons; of those between, the last holds at the nearer one,
    and where there is none, the one before does."""
    arrival = (
        *("outcome_id", "unit_id", "shipment_id", "sequence", "corridor_id", "leg_id", "mode"),
        *("from_node", "to_node", "service_id", "carrier_id", "run_id", "planned_arrival"),
        "arrived",
    )
    said = ", ".join(f"said.{n} AS {name}" for n, name in enumerate((*_SAID, "model_version"), 1))
    seconds = [hours * 3600 for hours in HORIZONS_HOURS]
    return (
        f"SELECT {', '.join(f'w.{name} AS {name}' for name in arrival)}, "
        f"{list(HORIZONS_HOURS)}[number] AS horizon_hours, {said}, "
        f"said.{len(_SAID) + 2} AS as_of, "
        "toFloat64(arrived) - toFloat64(eta_p50) AS error_seconds, "
        "toFloat64(arrived) - toFloat64(planned_arrival) AS timetable_error_seconds, "
        "arrived BETWEEN eta_p05 AND eta_p95 AS inside_90, "
        "arrived BETWEEN eta_p25 AND eta_p75 AS inside_50 "
        "FROM (SELECT id, arrayJoin(range(1, last + 1)) AS number, "
        # of those that were said, the next one before
        "arrayFirst(one -> one.1 >= number, steps).2 AS said "
        "FROM (SELECT id, max(step) AS last, "
        "arraySort(one -> one.1, groupArray((step, chosen))) AS steps "
        "FROM (SELECT a.outcome_id AS id, "
        f"arrayCount(h -> toFloat64(a.arrived) - toFloat64(e.as_of) >= h, {seconds}) AS step, "
        # of what was said at one moment, the last word
        f"argMax(tuple({', '.join(f'e.{name}' for name in (*_SAID, 'model_version', 'as_of'))}), "
        "(e.as_of, e._record_time, e._offset)) AS chosen "
        "FROM {database}.estimates AS e INNER JOIN ("
        f"SELECT outcome_id, unit_id, shipment_id, sequence, arrived FROM ({_ARRIVALS})) AS a "
        "ON a.unit_id = e.unit_id AND a.shipment_id = e.shipment_id AND a.sequence = e.sequence "
        "GROUP BY id, step HAVING step > 0) GROUP BY id)) AS s "
        f"INNER JOIN ({_ARRIVALS}) AS w ON w.outcome_id = s.id WHERE eta_p50 IS NOT NULL"
    )


_ACCURACY = (
    "SELECT corridor_id, leg_id, mode, horizon_hours, count() AS legs, "
    "avg(abs(error_seconds)) AS mean_absolute_error, avg(error_seconds) AS bias, "
    "quantileExactInclusive(0.5)(abs(error_seconds)) AS absolute_error_p50, "
    "quantileExactInclusive(0.9)(abs(error_seconds)) AS absolute_error_p90, "
    "avg(abs(timetable_error_seconds)) AS timetable_mean_absolute_error, "
    "countIf(inside_90 IS NOT NULL) AS with_interval, "
    "avg(inside_90) AS coverage_90, avg(inside_50) AS coverage_50 "
    "FROM {database}.eta_horizons GROUP BY corridor_id, leg_id, mode, horizon_hours"
)

# an expected arrival lies ahead: what counts is when it was said
_SAID_TIME = "if(classifier = 'ACTUAL', event_time, updated_time)"


def _reasons(subject: str, told: str) -> str:
    columns = (
        *("outcome_id", "unit_id", "shipment_id", "corridor_id", "leg_id", "mode", "service_id"),
        *("carrier_id", "run_id", "arrived", "delay_seconds"),
    )
    return (
        f"SELECT DISTINCT {', '.join(f'a.{name} AS {name}' for name in columns)}, "
        f"r.reason AS reason, r.source AS source FROM ({_ARRIVALS}) AS a "
        f"INNER JOIN (SELECT {subject} AS subject, unit_id AS only, source, "
        f"{_SAID_TIME} AS said, arrayJoin(delay_reasons) AS reason "
        "FROM {database}.current_events "
        f"WHERE notEmpty(delay_reasons) AND {subject} != '' AND {told}) AS r "
        f"ON a.{subject} = r.subject WHERE r.only IN ('', a.unit_id) "
        "AND r.said BETWEEN a.actual_departure AND a.arrived"
    )


_ALERT_RUNS = (
    "SELECT corridor_id, leg_id, mode, run, r.planned_arrival AS planned_arrival, "
    "r.arrived AS arrived, toFloat64(arrived) - toFloat64(planned_arrival) AS delay_seconds, "
    f"{_ALERT_LIMIT} AS limit_seconds, delay_seconds >= limit_seconds AS late, "
    "if(a.opened < arrived, a.opened, NULL) AS opened, opened IS NOT NULL AS alerted, "
    "if(late, toFloat64(planned_arrival) + limit_seconds - toFloat64(opened), NULL) "
    "AS lead_seconds "
    "FROM (SELECT corridor_id, leg_id, mode, if(run_id = '', unit_id, run_id) AS run, "
    "max(o.planned_arrival) AS planned_arrival, max(o.arrived) AS arrived "
    f"FROM ({_ARRIVALS}) AS o GROUP BY corridor_id, leg_id, mode, run) AS r "
    "LEFT JOIN (SELECT subject, leg_id, min(as_of)::Nullable(DateTime64(6, 'UTC')) AS opened "
    f"FROM {{database}}.{INCIDENTS.name} FINAL "
    "WHERE kind = 'DELAY' AND cause IN ('RUN', 'UNIT') AND state = 'OPEN' AND NOT late "
    "GROUP BY subject, leg_id) AS a ON a.subject = r.run AND a.leg_id = r.leg_id "
    "SETTINGS join_use_nulls = 1"
)

_ALERT_QUALITY = (
    "SELECT corridor_id, leg_id, mode, count() AS runs, countIf(q.late) AS late, "
    "countIf(q.alerted) AS alerted, countIf(q.late AND q.alerted) AS hits, "
    "if(alerted = 0, NULL, hits / alerted) AS precision, "
    "if(late = 0, NULL, hits / late) AS recall, "
    "if(hits = 0, NULL, leads[1]) AS lead_p10, if(hits = 0, NULL, leads[2]) AS lead_p50, "
    "quantilesExactInclusiveIf(0.1, 0.5)(ifNull(q.lead_seconds, 0), q.late AND q.alerted) AS leads "
    "FROM {database}.alert_runs AS q GROUP BY corridor_id, leg_id, mode"
)

VIEWS = (
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
    View(
        "leg_hours",
        "Arrivals by hour, leg, service and carrier: `legs`, how many were late for their mode, "
        "and states that add up; seconds.",
        _LEG_HOURS,
    ),
    View(
        "leg_days",
        "The same by day (UTC), with the states read: mean and quantiles of delay and of the time "
        "under way; seconds.",
        _LEG_DAYS,
    ),
    View(
        "node_stays",
        "Each stay of a unit between two legs; `departed` is NULL while it lasts; seconds.",
        _STAYS,
    ),
    View(
        "node_days",
        "Stays by node and the day on which they began: how long, and how much longer than "
        "planned; seconds.",
        _STAY_DAYS,
    ),
    _passages(
        "border",
        (
            ("arrived", "ARRIVED_BORDER"),
            ("gauge_change_began", "GAUGE_CHANGE_START"),
            ("gauge_change_ended", "GAUGE_CHANGE_END"),
            ("handed_over", "HANDED_OVER"),
        ),
    ),
    _passages(
        "lock",
        (("queued", "LOCK_QUEUE_ENTER"), ("entered", "LOCK_ENTER"), ("passed", "LOCK_EXIT")),
    ),
    View(
        "customs_clearances",
        "Each arrival of a unit after which customs spoke: when they stopped and released it "
        "(NULL: not yet); seconds from the arrival.",
        _CLEARANCES,
    ),
    View(
        "eta_horizons",
        "What was estimated 1, 3, 6 … 336 hours before each arrival, and how wrong that was; "
        "seconds, positive when it came later than said.",
        _horizons(),
    ),
    View(
        "eta_accuracy",
        "Errors and coverage of estimates by corridor, leg and hours before the arrival; beside "
        "them the timetable's; seconds.",
        _ACCURACY,
    ),
    View(
        "alert_runs",
        "Each run that arrived at the end of a leg: whether it was late by the package's rules, "
        "and since when a DELAY stood before it arrived (NULL: none); `lead_seconds` before it "
        "was late.",
        _ALERT_RUNS,
    ),
    View(
        "alert_quality",
        "Precision, recall and lead of DELAY alerts by corridor and leg; of each run once; "
        "seconds.",
        _ALERT_QUALITY,
    ),
    View(
        "delay_reasons",
        "The reasons (SMDG) that were told of each leg while it was under way.",
        f"{_reasons('run_id', 'true')} UNION DISTINCT "
        f"{_reasons('unit_id', repr('') + ' = run_id')}",
    ),
)
