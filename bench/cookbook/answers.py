"""The answers to `questions`, computed from the messages in Python."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

from bench.cookbook.questions import NOW
from bench.cookbook.told import Told, delay, quantile
from corridor.lateness import LATE_BY
from corridor.models import LegOutcome
from sinks.clickhouse.views.performance import HORIZONS_HOURS, RELEASES, STOPS

Rows = list[tuple[Any, ...]]

MOMENT = datetime.fromisoformat(f"{NOW}+00:00")
HOUR = 3600.0
A_WEEK = timedelta(days=7)


def _grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def _late(outcome: LegOutcome) -> bool:
    return delay(outcome) >= LATE_BY[outcome.mode] * 60


def carriers(told: Told) -> Rows:
    of = _grouped(((o.carrier_id or "", str(o.mode)), o) for o in told.arrivals)
    return [
        (
            *key,
            len(ended),
            100 * sum(map(_late, ended)) / len(ended),
            quantile(map(delay, ended), 0.9) / HOUR,
        )
        for key, ended in sorted(of.items())
    ]


def borders(told: Told) -> Rows:
    times: dict[Any, dict[str, datetime]] = defaultdict(dict)
    for e in told.happened:
        if e.code in ("ARRIVED_BORDER", "HANDED_OVER"):
            of = times[e.run_id, e.unit_id, e.node_id]
            of[e.code] = min(e.event_time, of.get(e.code, e.event_time))
    recent: dict[str | None, list[float]] = defaultdict(list)
    before: dict[str | None, list[float]] = defaultdict(list)
    for (_, _, node), of in times.items():
        if len(of) == 2 and MOMENT - 5 * A_WEEK <= of["ARRIVED_BORDER"] < MOMENT:
            week = recent if of["ARRIVED_BORDER"] >= MOMENT - A_WEEK else before
            week[node].append((of["HANDED_OVER"] - of["ARRIVED_BORDER"]).total_seconds() / HOUR)
    rows = [
        (
            node,
            len(hours),
            round(quantile(hours, 0.5), 1),
            quantile(before[node], 0.5) if before[node] else None,
        )
        for node, hours in recent.items()
    ]
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def transit(told: Told) -> Rows:
    of = _grouped(
        ((o.leg_id, str(o.mode)), (o.actual_arrival - o.actual_departure).total_seconds() / HOUR)
        for o in told.arrivals
        if o.actual_departure and o.actual_arrival
    )
    return [
        (*key, len(hours), quantile(hours, 0.5), quantile(hours, 0.9))
        for key, hours in sorted(of.items())
        if len(hours) >= 5
    ]


def eta(told: Told) -> Rows:
    rows: Rows = []
    for hours in HORIZONS_HOURS:
        errors, timetable, inside = [], [], []
        for o in told.arrivals:
            assert o.actual_arrival is not None
            key = (o.unit_id, o.shipment_id, o.sequence)
            said = told.believed(key, o.actual_arrival - timedelta(hours=hours))
            if said is None or said.eta_p50 is None:
                continue
            errors.append(abs((o.actual_arrival - said.eta_p50).total_seconds()) / HOUR)
            timetable.append(abs(delay(o)) / HOUR)
            if said.eta_p05 and said.eta_p95:
                inside.append(said.eta_p05 <= o.actual_arrival <= said.eta_p95)
        if errors:
            covered = 100 * fmean(inside) if inside else None
            rows.append((hours, len(errors), fmean(errors), fmean(timetable), covered))
    return rows


def dwell(told: Told) -> Rows:
    of = _grouped(
        (s.node_id, ((s.departed - s.arrived).total_seconds(), s.planned_seconds))
        for s in told.stays
        if s.departed
    )
    rows = [
        (
            node,
            len(stays),
            quantile((took for took, _ in stays), 0.5) / HOUR,
            quantile((took for took, _ in stays), 0.9) / HOUR,
            round(fmean(took - planned for took, planned in stays) / HOUR, 1),
        )
        for node, stays in of.items()
        if len(stays) >= 3
    ]
    return sorted(rows, key=lambda row: (-row[4], row[0]))


def rebooked(told: Told) -> Rows:
    versions = _grouped(((p.unit_id, p.shipment_id), p) for p in told.plans)
    found = defaultdict(list)
    for plans in versions.values():
        newest = {plan.version: plan for plan in plans}
        legs = _grouped(
            (leg.sequence, leg) for _, plan in sorted(newest.items()) for leg in plan.legs
        )
        for of_leg in legs.values():
            for before, after in pairwise(of_leg):
                if before.run_id and before.run_id != after.run_id:
                    later = after.planned_departure - before.planned_departure
                    found[after.from_node, after.leg_id].append(later.total_seconds() / HOUR)
    rows = [(*key, len(hours), fmean(hours)) for key, hours in found.items()]
    return sorted(rows, key=lambda row: (-row[2], row[1]))


def customs(told: Told) -> Rows:
    arrivals = _grouped(((o.unit_id, o.to_node), o.actual_arrival) for o in told.arrivals)
    events = defaultdict(list)
    for e in told.happened:
        if e.code in (*RELEASES, *STOPS) and e.unit_id and e.event_type != "SHIPMENT":
            before = [t for t in arrivals[e.unit_id, e.node_id] if t <= e.event_time]
            if before:
                events[e.unit_id, e.node_id, max(before)].append(e)
    of = defaultdict(list)
    for (_, node, arrived), spoken in events.items():
        released = [e.event_time for e in spoken if e.code in RELEASES]
        if released:
            hours = (min(released) - arrived).total_seconds() / HOUR
            of[node].append((hours, any(e.code in STOPS for e in spoken)))
    rows = [
        (
            node,
            len(units),
            quantile((hours for hours, _ in units), 0.5),
            quantile((hours for hours, _ in units), 0.9),
            sum(stopped for _, stopped in units),
        )
        for node, units in of.items()
    ]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def seals(told: Told) -> Rows:
    codes = {"SEALED", "UNSEALED_AUTHORISED", "TAMPER", "SHACKLE_CUT", "LOW_BATTERY", "SIGNAL_LOST"}
    of = _grouped((e.code, e) for e, _ in told.events if e.event_type == "IOT" and e.code in codes)
    return [
        (code, len(es), len({e.unit_id for e in es}), max(e.event_time for e in es))
        for code, es in sorted(of.items())
    ]


def believed(told: Told) -> Rows:
    rows = []
    for key in told.estimates:
        said = told.believed(key, MOMENT - timedelta(days=1))
        if said is not None and said.stage == "EN_ROUTE" and said.delay_seconds is not None:
            rows.append((said.unit_id, said.leg_id, said.delay_seconds, said.evidence))
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    return [(unit, leg, late / HOUR, evidence) for unit, leg, late, evidence in rows[:5]]


def silence(told: Told) -> Rows:
    of = _grouped((e.source, e.event_time) for e in told.happened)
    newest = max(map(max, of.values()))
    rows = []
    for source, times in sorted(of.items()):
        gaps = [(b - a).total_seconds() for a, b in pairwise(sorted(times))]
        now = (newest - max(times)).total_seconds()
        if gaps and now > 86400 and now > 10 * quantile(gaps, 0.5):
            usual = quantile(gaps, 0.5) / HOUR
            rows.append((source, max(times), now / HOUR, usual, max(gaps) / HOUR))
    return rows


def corrections(told: Told) -> Rows:
    rows = []
    taken_back = Counter(source for (source, _), h in told.newest.items() if h.event.retracted)
    for source, events in _grouped((h.event.source, h.event) for h in told.heard).items():
        n, versions = len(events), len({(e.event_id, e.updated_time) for e in events})
        ids = len({e.event_id for e in events})
        if n >= 50:
            percents = (100 * (n - versions) / n, 100 * (versions - ids) / n)
            rows.append((source, n, *percents, taken_back[source]))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def reasons(told: Told) -> Rows:
    events = [
        (e, e.event_time if e.classifier == "ACTUAL" else e.updated_time)
        for e, _ in told.events
        if e.delay_reasons
    ]
    of = defaultdict(list)
    for o in told.arrivals:
        if o.actual_departure is None or o.actual_arrival is None or delay(o) <= 0:
            continue
        given = {
            reason
            for e, said in events
            for reason in e.delay_reasons
            if (e.run_id == o.run_id if e.run_id else e.unit_id == o.unit_id)
            and e.unit_id in (None, o.unit_id)
            and o.actual_departure <= said <= o.actual_arrival
        }
        for reason in given:
            of[reason].append(delay(o) / HOUR)
    rows = [(reason, len(hours), fmean(hours)) for reason, hours in of.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _expected(told: Told, key: tuple[str, str, int]) -> datetime | None:
    outcome = told.outcomes.get(key)
    if outcome is not None:
        return outcome.actual_arrival
    said = told.estimates.get(key)
    return said[-1].estimate.eta_p50 if said else None


def late_shipments(told: Told) -> Rows:
    of = defaultdict(list)
    for (unit, shipment), plan in told.itineraries.items():
        last = plan.legs[-1]
        expected = _expected(told, (unit, shipment, last.sequence))
        done = all((unit, shipment, leg.sequence) in told.outcomes for leg in plan.legs)
        late = (expected - last.planned_arrival).total_seconds() if expected else None
        of[shipment].append((done, last.to_node, expected, late))
    rows = []
    for shipment, units in of.items():
        late = max((u[3] for u in units if u[3] is not None), default=0.0)
        if not all(u[0] for u in units) and late >= 86400:
            expected = max(u[2] for u in units if u[2])
            there = sum(u[0] for u in units)
            rows.append((shipment, len(units), there, units[0][1], expected, late))
    rows.sort(key=lambda row: (-row[5], row[0]))
    return [(*row[:5], row[5] / HOUR) for row in rows[:5]]


def _under_way(told: Told) -> Iterable[Any]:
    """The last estimate of each planned leg that has not ended, with its leg."""
    for key, leg in told.legs.items():
        said = told.estimates.get(key)
        if key not in told.outcomes and said:
            yield leg, said[-1].estimate


def runs(told: Told) -> Rows:
    of = defaultdict(list)
    for leg, said in _under_way(told):
        run = said.run_id or leg.run_id
        if said.stage == "EN_ROUTE" and run and said.eta_p50:
            late = (said.eta_p50 - leg.planned_arrival).total_seconds()
            if late > HOUR:
                of[run].append((str(leg.mode), leg.leg_id, late / HOUR))
    rows = [
        (run, units[0][0], units[0][1], len(units), fmean(late for *_, late in units))
        for run, units in of.items()
    ]
    return sorted(rows, key=lambda row: (-row[3], row[0]))[:5]


def signal(told: Told) -> Rows:
    counts = Counter(
        (str(leg.mode), str(said.signal))
        for leg, said in _under_way(told)
        if said.stage == "EN_ROUTE"
    )
    return [(*key, count) for key, count in sorted(counts.items())]


def connections(told: Told) -> Rows:
    rows = [
        (said.unit_id, leg.leg_id, said.run_id or leg.run_id, leg.planned_departure, p)
        for leg, said in _under_way(told)
        if said.stage in ("PLANNED", "OVERDUE")
        and (p := said.missed_probability) is not None
        and p >= 0.2
    ]
    return sorted(rows, key=lambda row: (-row[4], row[0], row[1]))[:5]


def story(told: Told) -> Rows:
    delays = []
    for (unit, shipment), plan in told.itineraries.items():
        last = plan.legs[-1]
        expected = _expected(told, (unit, shipment, last.sequence))
        if expected:
            delays.append((-(expected - last.planned_arrival).total_seconds(), unit))
    unit = min(delays)[1]
    plans = [plan for (one, _), plan in told.itineraries.items() if one == unit]
    aboard = {leg.run_id for plan in plans for leg in plan.legs}
    aboard |= {e.run_id for e, _ in told.events if e.unit_id == unit and e.code == "LOADED"}
    bills = {plan.shipment_id for plan in plans}
    rows = []
    for e, _ in told.events:
        if e.classifier != "ACTUAL" or e.event_type == "IOT":
            continue
        if e.unit_id:
            of = "unit" if e.unit_id == unit else ""
        elif e.run_id:
            of = "run" if e.run_id in aboard else ""
        else:
            of = "shipment" if e.shipment_id in bills else ""
        if of:
            key = (e.event_time, e.source, e.event_id)
            rows.append((key, (e.event_time, of, e.source, e.code, e.node_id or "")))
    return [row for _, row in sorted(rows)[:8]]


def timetables(told: Told) -> Rows:
    by_run = {(o.run_id or "", o.service_id or ""): delay(o) / HOUR for o in told.arrivals}
    of = _grouped((service, late) for (_, service), late in by_run.items())
    return [
        (service, len(hours), fmean(hours), pstdev(hours))
        for service, hours in sorted(of.items())
        if len(hours) >= 3 and abs(round(fmean(hours), 1)) > round(pstdev(hours), 1)
    ]


def unusable(told: Told) -> Rows:
    letters = {letter.dead_letter_id: letter for letter in told.dead_letters}
    of = _grouped(((x.source or "", str(x.reason)), x.rejected_time) for x in letters.values())
    rows = [(*key, len(times), max(times)) for key, times in of.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:10]


def volume(told: Told) -> Rows:
    of = defaultdict(list)
    for o in told.arrivals:
        assert o.actual_arrival is not None
        day = o.actual_arrival.date()
        of[day - timedelta(days=day.weekday()), str(o.mode)].append(_late(o))
    return [(*key, len(late), sum(late)) for key, late in sorted(of.items())]


ANSWERS: dict[str, Callable[[Told], Rows]] = {
    answer.__name__: answer
    for answer in (
        *(carriers, borders, transit, eta, dwell, rebooked, customs, seals, believed, silence),
        *(corrections, reasons, late_shipments, runs, signal, connections, story, timetables),
        *(unusable, volume),
    )
}
