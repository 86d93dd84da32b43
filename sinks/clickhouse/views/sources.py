"""How well each party tells."""

from sinks.clickhouse.feeds import HAPPENED, LATENESS
from sinks.clickhouse.views.view import View

_TOLD = (
    "SELECT source, sum(deliveries) AS deliveries, uniqExactMerge(versions) AS versions, "
    f"quantilesTDigestMerge({', '.join(map(str, LATENESS))})(lateness) AS lateness, "
    "min(first_told) AS first_told, "
    "max(last_told) AS last_told FROM {database}.source_hours GROUP BY source"
)
_HELD = (
    "SELECT source, count() AS events, countIf(e.retracted) AS retracted, "
    "maxOrNullIf(event_time, happened) AS last_event, "
    "arraySort(groupArrayIf(toUnixTimestamp64Milli(event_time), happened)) AS moments, "
    "arraySlice(arrayDifference(moments), 2) AS silences, "
    "if(empty(silences), NULL, arrayMax(silences) / 1000) AS longest_silence, "
    "if(empty(silences), NULL, "
    "arrayReduce('quantileExactInclusive(0.5)', silences) / 1000) AS usual_silence, "
    "if(empty(silences), NULL, fromUnixTimestamp64Milli(moments[indexOf(silences, "
    "arrayMax(silences))], 'UTC')) AS silent_from "
    "FROM (SELECT source, event_time, retracted, "
    f"{HAPPENED} AND NOT retracted AS happened FROM {{database}}.events FINAL) AS e "
    "GROUP BY source"
)

VIEWS = (
    View(
        "source_health",
        "Each source: what it delivered, repeated, corrected and took back; how late it tells "
        "(seconds from happening to Kafka); how long it was silent.",
        "SELECT t.source AS source, t.deliveries AS deliveries, "
        "t.deliveries - t.versions AS repeats, t.versions - h.events AS corrections, "
        "h.retracted AS retracted, h.events AS events, "
        "t.lateness[1] AS lateness_p50, t.lateness[2] AS lateness_p90, "
        "t.lateness[3] AS lateness_p99, h.last_event AS last_event, "
        "t.first_told AS first_told, t.last_told AS last_told, "
        "h.usual_silence AS usual_silence, h.longest_silence AS longest_silence, "
        "h.silent_from AS silent_from, "
        "toFloat64(max(h.last_event) OVER ()) - toFloat64(h.last_event) AS silent_now "
        f"FROM ({_TOLD}) AS t INNER JOIN ({_HELD}) AS h ON t.source = h.source",
    ),
)
