"""The questions and their SQL: `docs/sql.md` shows them, the tests check their answers.

`NOW` is where the simulated history ends; live, it is `now()`.
"""

from typing import NamedTuple

NOW = "2026-01-26 08:00:00"


class Question(NamedTuple):
    """One question."""

    name: str
    title: str
    note: str
    sql: str


_NOW = f"toDateTime64('{NOW}', 6, 'UTC')"

QUESTIONS = (
    Question(
        "carriers",
        "Which carriers are late, how often and by how much?",
        "States add up: the same query by day, leg or service only changes the GROUP BY. Late is "
        "what people call so in each mode: 30 minutes by air, 12 hours by sea.",
        """\
SELECT carrier_id, mode, sum(legs) AS arrivals,
       round(100 * sum(late) / arrivals, 1) AS late_percent,
       round(quantilesExactInclusiveMerge(0.1, 0.5, 0.9, 0.95)(delay_state)[3] / 3600, 1)
           AS p90_delay_hours
FROM leg_hours GROUP BY carrier_id, mode ORDER BY carrier_id, mode""",
    ),
    Question(
        "borders",
        "Which border is slow this week?",
        "This week's median passage beside that of the four weeks before it.",
        f"""\
WITH {_NOW} AS now
SELECT node_id,
       countIf(arrived >= now - INTERVAL 7 DAY) AS passages,
       round(quantileExactInclusiveIf(0.5)(passage_seconds, arrived >= now - INTERVAL 7 DAY)
           / 3600, 1) AS hours_this_week,
       round(quantileExactInclusiveIf(0.5)(passage_seconds, arrived < now - INTERVAL 7 DAY)
           / 3600, 1) AS hours_before
FROM border_passages
WHERE passage_seconds IS NOT NULL AND arrived >= now - INTERVAL 35 DAY AND arrived < now
GROUP BY node_id HAVING passages > 0 ORDER BY hours_this_week DESC, node_id""",
    ),
    Question(
        "transit",
        "How long does each leg take, usually and at worst?",
        "From departure to arrival. The timetable's time is in `current_legs`.",
        """\
WITH quantilesExactInclusiveMerge(0.1, 0.5, 0.9, 0.95)(transit_state) AS quantiles
SELECT leg_id, mode, sum(timed) AS times,
       round(quantiles[2] / 3600, 1) AS p50_hours, round(quantiles[3] / 3600, 1) AS p90_hours
FROM leg_hours GROUP BY leg_id, mode HAVING times >= 5 ORDER BY leg_id, mode""",
    ),
    Question(
        "eta",
        "How wrong are our ETAs, by the time that is left?",
        "`inside_percent` should be 90: that is what `eta_p05` to `eta_p95` promises.",
        """\
SELECT horizon_hours, count() AS arrivals,
       round(avg(abs(error_seconds)) / 3600, 2) AS eta_error_hours,
       round(avg(abs(timetable_error_seconds)) / 3600, 2) AS timetable_error_hours,
       round(100 * avg(inside_90), 1) AS inside_percent
FROM eta_horizons GROUP BY horizon_hours ORDER BY horizon_hours""",
    ),
    Question(
        "dwell",
        "Where do boxes wait longer than planned?",
        "Stays that have ended, between two legs.",
        """\
SELECT node_id, count() AS stays,
       round(quantileExactInclusive(0.5)(dwell_seconds) / 3600, 1) AS p50_hours,
       round(quantileExactInclusive(0.9)(dwell_seconds) / 3600, 1) AS p90_hours,
       round(avg(dwell_seconds - planned_dwell_seconds) / 3600, 1) AS beyond_plan_hours
FROM node_stays WHERE departed IS NOT NULL
GROUP BY node_id HAVING stays >= 3 ORDER BY beyond_plan_hours DESC, node_id""",
    ),
    Question(
        "rebooked",
        "Which connections are missed, and what does it cost?",
        "A new version of an itinerary that plans another run for a leg: where, how often, and how "
        "much later it leaves.",
        """\
SELECT from_node, leg_id, count() AS rebooked,
       round(avg(toFloat64(planned_departure) - toFloat64(before.2)) / 3600, 1) AS hours_later
FROM (
    SELECT from_node, leg_id, run_id, planned_departure, version,
           lagInFrame(tuple(run_id, planned_departure)) OVER (
               PARTITION BY unit_id, shipment_id, sequence ORDER BY version
               ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
    FROM itineraries FINAL
)
WHERE before.1 != '' AND before.1 != run_id
GROUP BY from_node, leg_id ORDER BY rebooked DESC, leg_id""",
    ),
    Question(
        "customs",
        "How long do customs take, and how often do they look?",
        "From the arrival of a unit to its release at the same place.",
        """\
SELECT node_id, count() AS units,
       round(quantileExactInclusive(0.5)(clearance_seconds) / 3600, 1) AS p50_hours,
       round(quantileExactInclusive(0.9)(clearance_seconds) / 3600, 1) AS p90_hours,
       countIf(stopped IS NOT NULL) AS stopped_units
FROM customs_clearances WHERE released IS NOT NULL
GROUP BY node_id ORDER BY units DESC, node_id""",
    ),
    Question(
        "seals",
        "What do the electronic locks say?",
        "TAMPER and SHACKLE_CUT are alarms; a seal that customs opened is UNSEALED_AUTHORISED.",
        """\
SELECT code, count() AS events, uniqExact(unit_id) AS units, max(event_time) AS last
FROM current_events
WHERE event_type = 'IOT' AND code IN ('SEALED', 'UNSEALED_AUTHORISED', 'TAMPER', 'SHACKLE_CUT',
    'LOW_BATTERY', 'SIGNAL_LOST')
GROUP BY code ORDER BY code""",
    ),
    Question(
        "believed",
        "What did we believe at eight o'clock yesterday?",
        "Nothing that was stated is overwritten: `estimates` has every ETA with the time of what "
        "it knew. Here, of the legs that were under way then, those whose ETA was worst.",
        f"""\
WITH {_NOW} - INTERVAL 1 DAY AS moment
SELECT unit_id, leg_id, round(said.2 / 3600, 1) AS expected_delay_hours, said.3 AS evidence
FROM (
    SELECT unit_id, leg_id, shipment_id, sequence,
           argMax(tuple(stage, delay_seconds, evidence), (as_of, _record_time, _offset)) AS said
    FROM estimates WHERE as_of <= moment
    GROUP BY unit_id, leg_id, shipment_id, sequence
)
WHERE said.1 = 'EN_ROUTE' AND said.2 IS NOT NULL
ORDER BY said.2 DESC, unit_id, leg_id LIMIT 5""",
    ),
    Question(
        "silence",
        "Which sources have gone silent?",
        "Silent for at least ten times as long as is usual, and for a day.",
        """\
SELECT source, last_event, round(silent_now / 3600, 1) AS silent_hours,
       round(usual_silence / 3600, 2) AS usual_hours,
       round(longest_silence / 3600, 1) AS longest_hours
FROM source_health
WHERE silent_now > 86400 AND silent_now > 10 * usual_silence
ORDER BY source""",
    ),
    Question(
        "corrections",
        "Who repeats, corrects and takes back, and who tells late?",
        "Of each hundred deliveries. `lateness_p90` is an estimate (a t-digest).",
        """\
SELECT source, deliveries, round(100 * repeats / deliveries, 1) AS repeated_percent,
       round(100 * corrections / deliveries, 1) AS corrected_percent, retracted
FROM source_health WHERE deliveries >= 50
ORDER BY deliveries DESC, source""",
    ),
    Question(
        "reasons",
        "Why are they late?",
        "What carriers gave as the reason (SMDG codes) of legs that came late, and how late those "
        "were. A leg may have several.",
        """\
SELECT reason, uniqExact(outcome_id) AS legs, round(avg(delay_seconds) / 3600, 1) AS delay_hours
FROM (SELECT DISTINCT outcome_id, reason, delay_seconds FROM delay_reasons WHERE delay_seconds > 0)
GROUP BY reason ORDER BY legs DESC, reason""",
    ),
    Question(
        "late_shipments",
        "Which shipments will be a day late, or more?",
        "Not yet there, by the ETA of the last leg of the last unit, against the plan that holds.",
        """\
SELECT shipment_id, units, units_done, destination, expected_arrival,
       round(delay_seconds / 3600, 1) AS delay_hours
FROM current_shipments
WHERE stage != 'DONE' AND delay_seconds >= 86400
ORDER BY delay_seconds DESC, shipment_id LIMIT 5""",
    ),
    Question(
        "runs",
        "Which trains and vessels under way delay the most boxes?",
        "One late train is many boxes.",
        """\
SELECT run_id, any(mode) AS mode, any(leg_id) AS leg, count() AS units,
       round(avg(delay_seconds) / 3600, 1) AS delay_hours
FROM current_legs
WHERE stage = 'EN_ROUTE' AND run_id != '' AND delay_seconds > 3600
GROUP BY run_id ORDER BY units DESC, run_id LIMIT 5""",
    ),
    Question(
        "signal",
        "What is under way, and has anybody heard of it lately?",
        "STALE and LOST: for how long nothing was told, compared with what is usual there.",
        """\
SELECT mode, signal, count() AS legs
FROM current_legs WHERE stage = 'EN_ROUTE'
GROUP BY mode, signal ORDER BY mode, signal""",
    ),
    Question(
        "connections",
        "Which connections are most likely to be missed?",
        "`missed_probability` is that of being ready only after the planned service has closed.",
        """\
SELECT unit_id, leg_id, run_id, planned_departure, round(missed_probability, 2) AS probability
FROM current_legs
WHERE stage IN ('PLANNED', 'OVERDUE') AND missed_probability >= 0.2
ORDER BY missed_probability DESC, unit_id, leg_id LIMIT 5""",
    ),
    Question(
        "story",
        "What was told of one box?",
        "Its own events, those of its trains and vessels, and those of its bill. Here of the unit "
        "that is expected latest.",
        """\
SELECT event_time, told_of, source, code, node_id
FROM unit_events
WHERE unit_id = (SELECT unit_id FROM current_units ORDER BY delay_seconds DESC, unit_id LIMIT 1)
  AND classifier = 'ACTUAL' AND event_type != 'IOT'
ORDER BY event_time, source, event_id LIMIT 8""",
    ),
    Question(
        "timetables",
        "Which timetables are wrong in the same way each time?",
        "A service that comes late by as much every time has a wrong timetable, not bad luck.",
        """\
SELECT service_id, count() AS arrivals, round(avg(delay_seconds) / 3600, 1) AS mean_delay_hours,
       round(stddevPop(delay_seconds) / 3600, 1) AS deviation_hours
FROM (
    SELECT run_id, service_id, any(toFloat64(actual_arrival) - toFloat64(planned_arrival))
               AS delay_seconds
    FROM current_outcomes WHERE ending = 'ARRIVED' AND actual_arrival IS NOT NULL
    GROUP BY run_id, service_id
)
GROUP BY service_id HAVING arrivals >= 3 AND abs(mean_delay_hours) > deviation_hours
ORDER BY service_id""",
    ),
    Question(
        "unusable",
        "Who sends what we cannot use?",
        "`corridor dead-letters show` has the raw message of each.",
        """\
SELECT source, reason, count() AS messages, max(rejected_time) AS last
FROM open_dead_letters GROUP BY source, reason ORDER BY messages DESC, source, reason LIMIT 10""",
    ),
    Question(
        "volume",
        "How much moves, by week and mode?",
        "Legs that ended, by the week of the arrival.",
        """\
SELECT toMonday(hour) AS week, mode, sum(legs) AS arrivals, sum(late) AS late_arrivals
FROM leg_hours GROUP BY week, mode ORDER BY week, mode""",
    ),
)
"""Twenty of them."""
