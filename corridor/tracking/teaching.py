"""What there is to learn from a unit: plans, what was known before departures, what came of it."""

from collections.abc import Iterator
from datetime import datetime

from corridor.codes import Ending, Stage
from corridor.eta.estimator import CHECKPOINTS, goes_through
from corridor.eta.experts import Statement
from corridor.eta.lessons import Lesson, Stay, What
from corridor.eta.query import minutes
from corridor.eta.signal import Kind
from corridor.tracking.unit import Journey, LegMemory, Unit

Known = tuple[datetime | None, datetime | None, Ending | None]
"""Departure, arrival and ending of a leg."""

_OTHERWISE = (Ending.CANCELLED, Ending.DIVERTED)


def known_of(memory: LegMemory) -> Known:
    """What is known of a leg, to be compared with later on."""
    return memory.departure, memory.arrival, memory.ending


def plans(unit: Unit, journey: Journey) -> Iterator[Lesson]:
    """Which services are planned to leave when."""
    for index, (leg, memory) in enumerate(zip(journey.legs, journey.memory, strict=True)):
        if leg.service_id is not None and memory.stage is Stage.PLANNED:
            # where no run is named, all boxes that leave at that time leave by one
            run = (
                memory.run_id
                or leg.run_id
                or f"{leg.service_id} {leg.planned_departure.isoformat()}"
            )
            named = f"{run} {leg.leg_id}"
            yield _lesson(What.PLANNED, unit, journey, index, journey.issued_time, run=named)


def expected(unit: Unit, due: datetime) -> Iterator[Lesson]:
    """What is known of the next legs at a checkpoint, before it is said."""
    for journey in unit.journeys:
        for index, (leg, memory) in enumerate(zip(journey.legs, journey.memory, strict=True)):
            if memory.departure is not None or memory.stage not in (Stage.PLANNED, Stage.OVERDUE):
                continue
            is_due = memory.review == due or leg.planned_departure - due in CHECKPOINTS
            if is_due and (index == 0 or not goes_through(journey.legs[index - 1], leg)):
                late = max(0.0, minutes(due) - minutes(leg.planned_departure))
                yield _lesson(What.EXPECTED, unit, journey, index, due, delay=late)
            break  # later legs are not asked of yet


def changes(
    unit: Unit, journey: Journey, index: int, before: Known, as_of: datetime
) -> Iterator[Lesson]:
    """What has become known of a leg: its departure, its arrival, or that neither will teach."""
    leg, memory = journey.legs[index], journey.memory[index]
    departure, arrival, ending = before
    if memory.departure is not None and departure is None:
        yield _lesson(
            What.DEPARTED,
            unit,
            journey,
            index,
            as_of,
            time=memory.departure,
            delay=minutes(memory.departure) - minutes(leg.planned_departure),
            stay=_stay(unit, journey, index),
        )
        _listen_anew(unit)
    if memory.arrival is not None and arrival is None:
        yield _lesson(
            What.ARRIVED,
            unit,
            journey,
            index,
            as_of,
            time=memory.arrival,
            stated=tuple(memory.stated),
            gaps=_gaps(unit, memory),
        )
        _listen_anew(unit)
    elif (memory.ending in _OTHERWISE and memory.ending is not ending) or (
        memory.departure is None and departure is not None
    ):
        yield _lesson(What.ENDED, unit, journey, index, as_of)


def _listen_anew(unit: Unit) -> None:
    """Forgets the gaps that were told of: those at a node say nothing of those on the way."""
    for known in unit.heard.values():
        known.gaps, known.every, known.passed = [], 1, 0


def _stay(unit: Unit, journey: Journey, index: int) -> Stay | None:
    if index == 0 or (arrival := journey.memory[index - 1].arrival) is None:
        return None
    before, leg, closed = journey.legs[index - 1], journey.legs[index], journey.memory[index].closed
    return Stay(
        before.mode,
        minutes(arrival),
        _run_of(unit, journey, index - 1),
        None if closed is None else minutes(closed),
        goes_through(before, leg),
        (leg.closes - before.planned_arrival).total_seconds() / 60,
    )


def _gaps(unit: Unit, memory: LegMemory) -> tuple[tuple[str, Kind, float], ...]:
    """For how long sources were silent while it was under way."""
    if memory.departure is None:
        return ()
    since = minutes(memory.departure)
    return tuple(
        (source, known.kind, gap)
        for source, known in sorted(unit.heard.items())
        if known.last > since
        for gap in known.gaps
    )


def _run_of(unit: Unit, journey: Journey, index: int) -> str:
    """Names the run on its leg; a unit that travels alone is its own run."""
    leg, memory = journey.legs[index], journey.memory[index]
    run = memory.run_id or leg.run_id
    return f"{run or f'{unit.unit_id} {journey.shipment_id} {leg.sequence}'} {leg.leg_id}"


def _lesson(
    what: What,
    unit: Unit,
    journey: Journey,
    index: int,
    at: datetime,
    *,
    run: str | None = None,
    time: datetime | None = None,
    delay: float = 0.0,
    stay: Stay | None = None,
    stated: tuple[Statement, ...] = (),
    gaps: tuple[tuple[str, Kind, float], ...] = (),
) -> Lesson:
    leg = journey.legs[index]
    return Lesson(
        what,
        run or _run_of(unit, journey, index),
        leg.mode,
        leg.leg_id,
        leg.from_node,
        leg.to_node,
        leg.service_id,
        leg.carrier_id,
        minutes(leg.planned_departure),
        minutes(leg.planned_arrival),
        minutes(at),
        None if time is None else minutes(time),
        delay,
        None if leg.cutoff is None else minutes(leg.cutoff),
        stay,
        stated,
        gaps,
    )
