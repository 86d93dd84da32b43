"""The rhythm of a service, learned from plans: when it leaves next, where no plan says it.

A rhythm is an even period (daily, every other day, every ten days) or a pattern of the week (Monday
to Friday; Tuesday and Saturday). It is believed if it explains the departures seen lately and most
of what it foretells was seen. Otherwise nothing is said: an invented service is worse than none.
All times are minutes from one fixed moment.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from math import floor, inf

import msgspec

from corridor.codes import Mode
from corridor.eta.downstream import Slot

DAY, WEEK = 1440.0, 10080.0
REMEMBERED = 32
"""Departures per service."""
LATELY = 10 * WEEK
"""Minutes before the last known departure that its rhythm is looked for in."""
LEAST_SEEN = 3
"""Departures without which there is no rhythm."""
TOLERANCE = 90.0
"""Minutes between departures that are the same one of a rhythm; more than summer time shifts."""
ENDED = 2
"""A day of the week on which so many expected departures in a row were not seen is over."""
EXPLAINED = 0.8
"""The share of departures that a pattern of the week must explain; the others are specials."""
BELIEVED = 0.6
"""The share of the foretold departures, over the time looked at, that must have been seen."""


class Rhythm(msgspec.Struct, array_like=True, frozen=True):
    """Departures at `phases` + n `period`, for all n."""

    period: float
    phases: tuple[float, ...]
    seen: float
    """The share of what it foretells that was seen."""

    def after(self, time: float, count: int) -> list[float]:
        """The next departures after a time, ascending."""
        turns = [(floor((time - phase) / self.period) + 1, phase) for phase in self.phases]
        return sorted(
            phase + (turn + more) * self.period for turn, phase in turns for more in range(count)
        )[:count]


class Planned(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A departure of a service as some itinerary had it."""

    departure: float
    cutoff: float | None
    run_id: str
    known_at: float


class Service(msgspec.Struct, array_like=True):
    """What is known of one service."""

    planned: list[Planned] = []
    """Ascending; of each run what was planned last."""
    rhythm: Rhythm | None = None
    lead: float | None = None
    """Minutes from the cut-off to the departure, usually; None: no cut-off is known."""


class Services(msgspec.Struct, array_like=True):
    """What was learned of all services."""

    services: dict[str, Service] = {}


def by_timetable(mode: Mode, service_id: str | None, cutoff: object) -> bool:
    """Whether it leaves on time, however late a unit comes. A truck is hired for its load and waits
    for it, unless a cut-off says otherwise."""
    return cutoff is not None or (service_id is not None and mode is not Mode.TRUCK)


def plan(
    state: Services,
    service_id: str,
    departure: float,
    cutoff: float | None = None,
    run_id: str | None = None,
    known_at: float = 0.0,
) -> bool:
    """Takes in a planned departure; whether it was news.

    Of one run the plan that became known last counts, in whatever order they come. A departure
    without run is its own. A service's oldest departures are forgotten.
    """
    service = state.services.get(service_id)
    if service is None:
        service = state.services[service_id] = Service()
    run = f"@{departure:.0f}" if run_id is None else run_id
    new = Planned(departure, cutoff, run, known_at)
    for place, old in enumerate(service.planned):
        if old.run_id == run:
            if _order(new) <= _order(old):
                return False
            del service.planned[place]
            service.planned.append(new)
            if (old.departure, old.cutoff) == (departure, cutoff):
                service.planned.sort(key=_place)
                return False
            break
    else:
        service.planned.append(new)
    service.planned.sort(key=_place)
    del service.planned[:-REMEMBERED]
    service.rhythm = rhythm([known.departure for known in service.planned])
    leads = sorted(p.departure - p.cutoff for p in service.planned if p.cutoff is not None)
    service.lead = leads[len(leads) // 2] if leads else None
    return True


def following(services: Iterable[Service], after: float, count: int = 4) -> tuple[Slot, ...] | None:
    """The departures after the one at `after`, of whichever service: who misses one goes by the
    next that leaves. Planned ones, and between and beyond them what the rhythms foretell. None if
    there is no rhythm: plans show only what somebody has booked, and others leave before."""
    slots = [
        slot
        for service in services
        if service.rhythm is not None
        for slot in _after(service, service.rhythm, after, count)
    ]
    slots.sort(key=_last_call)
    distinct = {slot.departure: slot for slot in slots}  # of two at once, that which closes last
    return tuple(distinct.values())[:count] or None


def _after(service: Service, rhythm: Rhythm, after: float, count: int) -> list[Slot]:
    first = bisect_right(service.planned, after, key=_departure)
    planned = service.planned[first : first + count]
    slots = [_slot(p.departure, p.cutoff, service.lead) for p in planned]
    tolerance = min(TOLERANCE, rhythm.period / 4)
    known = [slot.departure for slot in slots]
    slots += [
        _slot(departure, None, service.lead)
        for departure in rhythm.after(after + tolerance, count)
        if all(abs(departure - other) > tolerance for other in known)
    ]
    return slots


def rhythm(departures: list[float]) -> Rhythm | None:
    """Of ascending departures; None if there is none that explains them."""
    if not departures:
        return None
    lately = departures[-1] - LATELY
    distinct: list[float] = []
    for departure in departures:
        if departure >= lately and (not distinct or departure > distinct[-1] + TOLERANCE):
            distinct.append(departure)
    if len(distinct) < LEAST_SEEN:
        return None
    found = [r for r in (_even(distinct), _weekly(distinct)) if r and r.seen >= BELIEVED]
    return max(found, key=_seen, default=None)


def _even(departures: list[float]) -> Rhythm | None:
    gaps = [later - one for one, later in pairwise(departures)]
    least = min(gaps)
    turns = [round(gap / least) for gap in gaps]
    period = (departures[-1] - departures[0]) / sum(turns)
    days = round(period / DAY) * DAY
    if days and abs(period - days) <= TOLERANCE:
        period = days
    tolerance = min(TOLERANCE, period / 8)
    if any(abs(gap - n * period) > tolerance for gap, n in zip(gaps, turns, strict=True)):
        return None
    return Rhythm(period, (departures[-1],), len(departures) / (sum(turns) + 1))


def _weekly(departures: list[float]) -> Rhythm | None:
    """Those times of the week at which it left at least twice and has not ceased to."""
    groups: list[list[float]] = []
    for departure in departures:
        for group in groups:
            since = (departure - group[-1] + WEEK / 2) % WEEK - WEEK / 2
            if abs(since) <= TOLERANCE:
                group.append(departure)
                break
        else:
            groups.append([departure])
    last = departures[-1] + TOLERANCE
    going = [group for group in groups if floor((last - group[-1]) / WEEK) < ENDED]
    regular = [group for group in going if len(group) > 1]
    seen = sum(map(len, regular))
    if seen < max(LEAST_SEEN, EXPLAINED * sum(map(len, going))):
        return None
    foretold = sum(floor((last - group[0]) / WEEK) + 1 for group in regular)
    return Rhythm(WEEK, tuple(sorted(group[-1] for group in regular)), seen / foretold)


def _slot(departure: float, cutoff: float | None, lead: float | None) -> Slot:
    if cutoff is None and lead is not None:
        cutoff = departure - lead
    return Slot(departure, cutoff)


def _order(planned: Planned) -> tuple[float, float, float]:
    cutoff = -inf if planned.cutoff is None else planned.cutoff
    return planned.known_at, planned.departure, cutoff


def _place(planned: Planned) -> tuple[float, str]:
    return planned.departure, planned.run_id


def _departure(planned: Planned) -> float:
    return planned.departure


def _last_call(slot: Slot) -> tuple[float, float]:
    return slot.departure, slot.departure if slot.cutoff is None else slot.cutoff


def _seen(found: Rhythm) -> float:
    return found.seen
