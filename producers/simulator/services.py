"""Services and their runs: timetables, cut-offs, capacities, and what a run is called."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from corridor.codes import Mode
from producers.simulator import policy
from producers.simulator.chance import HOUR, WEEK, Chance
from producers.simulator.identities import Numbers, Vehicle
from producers.simulator.policy import MOVEMENTS, Movement

if TYPE_CHECKING:
    from producers.simulator.lanes import Lane
    from producers.simulator.movement import Trip
    from producers.simulator.shipments import Journey

LEAST_BOOKED = 0.72
"""How full runs are on average: capacity is laid out for this much of it."""


class Run:
    """One conveyance on one leg, from its first booking to its arrival."""

    def __init__(
        self,
        service: "Service",
        run_id: str,
        scheduled: float,
        planned_departure: float,
        planned_arrival: float,
        conveyance: Vehicle,
    ) -> None:
        self.service = service
        self.lane = service.lane
        self.run_id = run_id
        self.scheduled = scheduled
        self.planned_departure = planned_departure
        self.planned_arrival = planned_arrival
        self.cutoff = scheduled - service.cutoff
        self.capacity = service.capacity
        self.conveyance = conveyance
        """Names and numbers of the vehicle: vessel, train, flight or plate."""
        self.booked: dict[Journey, None] = {}
        self.aboard: list[Journey] = []
        self.cancelled = False
        self.departed: float | None = None
        self.arrived: float | None = None
        self.ending: str | None = None
        self.diverted: float | None = None
        self.trip: Trip | None = None
        self.costs: dict[str, int] = {}
        """Seconds of delay by cause."""
        self.oracle: tuple[float, ...] = ()
        """Quantiles and mean of the arrival, foreseen at departure by one who knows the world."""

    @property
    def key(self) -> str:
        """Its name; a barge that goes on keeps its run_id from leg to leg."""
        return f"{self.run_id} {self.lane.leg_id}"

    @property
    def full(self) -> bool:
        return len(self.booked) >= self.capacity


@dataclass
class Service:
    """What one carrier runs on one leg."""

    service_id: str
    carrier_id: str
    lane: "Lane"
    movement: Movement
    offsets: list[float]
    """Departures within a week, in seconds from Monday 0:00 UTC; none: on demand."""
    cutoff: float
    """Seconds before a departure."""
    first_week: float
    capacity: int
    duration: float
    """Seconds from departure to arrival that the timetable promises."""
    quirk_departure: float
    """How far planned departures are off, always: a cut-off, or a call's end, told as departure."""
    quirk_arrival: float
    fleet: list[Vehicle]
    changes_at: float | None = None
    shift: float = 0.0
    """The timetable is moved by this much in weeks from `changes_at` on."""
    runs: dict[float, Run] = field(default_factory=dict)
    """Those that were booked and have not closed, by their scheduled departure."""
    further: dict[str, Run] = field(default_factory=dict)
    """Those that go on from an earlier leg, by the key of the run there."""
    made: Callable[[Run], None] = lambda run: None

    def slots(self, earliest: float) -> Iterator[tuple[float, int]]:
        """Departures whose cut-off is at `earliest` or later, and their running numbers."""
        earliest += self.cutoff
        week = int((earliest - self.first_week) // WEEK) - 1
        while True:
            start = self.first_week + week * WEEK
            moved = self.shift if self.changes_at is not None and start >= self.changes_at else 0
            for index, offset in enumerate(self.offsets):
                if start + offset + moved >= earliest:
                    yield start + offset + moved, week * len(self.offsets) + index
            week += 1

    def run_at(self, scheduled: float, number: int) -> Run:
        """The run of a slot; made when it is first asked for."""
        run = self.runs.get(scheduled)
        if run is None:
            run = self.runs[scheduled] = self._make(scheduled, number)
            self.made(run)
        return run

    def on_demand(self, scheduled: float, order: str, lot: int) -> Run:
        """A run for one unit; the same lot gets the same vehicle."""
        return Run(
            self,
            f"{self.carrier_id}-{order}",
            scheduled,
            scheduled,
            scheduled + self.duration,
            dict(self.fleet[lot % len(self.fleet)]),
        )

    def continuing(self, feeder: Run, dwell: float) -> Run:
        """The same voyage, one leg further on."""
        run = self.further.get(feeder.key)
        if run is None:
            scheduled = feeder.planned_arrival + dwell
            run = self.further[feeder.key] = Run(
                self,
                feeder.run_id,
                scheduled,
                scheduled,
                scheduled + self.duration,
                feeder.conveyance,
            )
            run.capacity = feeder.capacity
        return run

    def _make(self, scheduled: float, number: int) -> Run:
        conveyance = dict(self.fleet[number % len(self.fleet)])
        local = datetime.fromtimestamp(scheduled, ZoneInfo(self.lane.origin.time_zone))
        day = f"{local:%Y%m%d}"
        mode = self.lane.mode
        if mode in (Mode.VESSEL, Mode.BARGE):
            voyage = f"{number % 1000:03d}{self.lane.bound}"
            conveyance["voyage"] = voyage
            name = conveyance.get("imo") or conveyance["vessel"]
            run_id = f"{name}-{voyage}".upper()
        elif mode is Mode.AIR:
            conveyance["flight"] = f"{conveyance['carrier']}{conveyance['number']}"
            run_id = f"{conveyance['flight']}-{day}"
        else:
            conveyance["train"] = f"{conveyance['number']}"
            run_id = f"{conveyance['number']}-{day}"
        planned = scheduled + self.quirk_departure
        arrival = scheduled + self.duration + self.quirk_arrival
        return Run(self, run_id, scheduled, planned, max(arrival, planned + 600), conveyance)


class Board:
    """All services of one leg: finds the next run with room."""

    def __init__(self, services: list[Service]) -> None:
        self.services = services

    @property
    def on_demand(self) -> bool:
        return not self.services[0].offsets

    def continuing(self, feeder: Run, dwell: float) -> Run:
        """The same voyage, one leg further on, by the same carrier."""
        carrier = feeder.service.carrier_id
        service = next(one for one in self.services if one.carrier_id == carrier)
        return service.continuing(feeder, dwell)

    def next_run(self, ready: float) -> Run:
        """The first run whose cut-off is not before `ready` and that has a place."""
        best: Run | None = None
        for service in self.services:
            for scheduled, number in service.slots(ready):
                if best is not None and scheduled >= best.scheduled:
                    break
                run = service.run_at(scheduled, number)
                if not run.cancelled and not run.full:
                    best = run
                    break
        assert best is not None
        return best


def services_of(
    lane: "Lane",
    chance: Chance,
    numbers: Numbers,
    first_week: float,
    weekly_units: float,
) -> Board:
    """The services of a leg, laid out for a demand.

    Args:
        lane: The leg.
        chance: All streams.
        numbers: Names the vehicles.
        first_week: A Monday, 0:00 UTC.
        weekly_units: What will be booked on it.
    """
    rng = chance.stream("services", lane.leg_id)
    movement = MOVEMENTS[lane.mode]
    services: list[Service] = []
    low, high = movement.weekly
    cutoff = movement.cutoff_hours * HOUR
    if lane.onward:
        low, high = policy.ONWARD_WEEKLY.get(lane.mode, movement.weekly)
        cutoff = round(cutoff * policy.ONWARD_CUTOFF)
    for index in range(movement.services):
        weekly = rng.randint(low, high) if high else 0
        capacity = movement.capacity
        share = weekly_units / movement.services / LEAST_BOOKED
        if weekly and share > weekly * capacity:
            # more departures first, as in reality; then longer trains and larger allotments
            weekly = min(-(-int(share) // capacity), 28)
            capacity = max(capacity, -(-int(share) // weekly))
        offsets = _offsets(rng.random(), weekly, [rng.random() for _ in range(weekly)])
        carrier = lane.carriers[index % len(lane.carriers)]
        padded = rng.uniform(0.97, 1.12)
        quirk = rng.choice([0.0, 0.0, -0.5, 1.0]) * max(0.5, movement.late_hours / 2) * HOUR
        service_id = f"{carrier}-{lane.leg_id}-{index + 1}"
        services.append(
            Service(
                service_id,
                carrier,
                lane,
                movement,
                offsets,
                cutoff,
                first_week,
                capacity,
                round(lane.hours * padded * HOUR / 300) * 300.0,
                round(quirk) * (0.0 if lane.mode is Mode.TRUCK else 1.0),
                round(rng.choice([0.0, 0.0, 1.0]) * movement.late_hours * HOUR),
                numbers.fleet(lane.mode, carrier, service_id, len(offsets)),
            )
        )
    return Board(services)


def _offsets(first: float, count: int, jitter: list[float]) -> list[float]:
    """Departures spread over the week, at whole quarters of an hour."""
    gap = WEEK / count if count else 0.0
    times = (
        round((first * gap + index * gap + (jitter[index] - 0.5) * gap / 3) / 900) * 900.0
        for index in range(count)
    )
    return sorted({time % WEEK for time in times})
