"""The world: shipments book, runs leave and arrive, queues grow, connections are missed.

Event-driven: a heap of moments, each of which makes later ones. Nothing is looked at in between.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from corridor.codes import Mode
from producers.simulator import policy
from producers.simulator.bookings import Bookings, goes_on, stays_aboard
from producers.simulator.causes import MATTERS, Cause, Causes
from producers.simulator.chance import HOUR, Chance, lognormal, pareto
from producers.simulator.lanes import Lane, Place
from producers.simulator.movement import starts, travel
from producers.simulator.observation import Observer
from producers.simulator.queues import Queue
from producers.simulator.services import Board, Run
from producers.simulator.shipments import Journey, Shipment
from producers.simulator.truth import Truth
from producers.simulator.weather import Shock, Skies

FUTURES = 21
"""Possible futures that the oracle looks at, for each run."""
_QUANTILES = (1, 5, 10, 15, 19)
_GATES = frozenset({"PORT_TERMINAL", "AIRPORT"})
"""Where customs are, besides borders and destinations."""


@dataclass(frozen=True)
class Regime:
    """What changes for good in the middle."""

    cause: Cause
    begins: float
    node_id: str | None
    """Where everything takes longer from then on."""
    leg_id: str | None
    """On which leg everybody is slower from then on."""


class World:
    """One simulated corridor."""

    def __init__(
        self,
        chance: Chance,
        boards: dict[str, Board],
        queues: dict[tuple[str, str], Queue],
        skies: Skies,
        causes: Causes,
        regime: Regime,
        observer: Observer,
        truth: Truth,
        released: Callable[[Journey, float], None],
    ) -> None:
        """Puts the parts together.

        Args:
            chance: All streams.
            boards: The services of each leg.
            queues: By kind and node.
            skies: The weather.
            causes: Where causes are kept.
            regime: What changes in the middle.
            observer: Hears all that happens.
            truth: Writes it down.
            released: Told when a unit's journey is over.
        """
        self._chance = chance
        self._bookings = Bookings(boards)
        self._queues = queues
        self._skies = skies
        self._causes = causes
        self._regime = regime
        self._observer = observer
        self._truth = truth
        self._released = released
        self._moments: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._now = 0.0
        self.runs = 0
        for board in boards.values():
            for service in board.services:
                service.made = self._made

    # --- time

    def at(self, time: float, happens: Callable[..., None], *of: Any) -> None:
        """Lets something happen; now, if its time is past."""
        self._count += 1
        heapq.heappush(self._moments, (max(time, self._now), self._count, happens, of))

    def run_until(self, time: float | None) -> None:
        """Lets time pass, up to but without `time`; to the end if None."""
        while self._moments and (time is None or self._moments[0][0] < time):
            self._now, _, happens, of = heapq.heappop(self._moments)
            happens(*of)

    # --- booking

    def book(self, shipment: Shipment) -> None:
        """A shipment is booked: each of its units gets an itinerary, and will be handed in."""
        self._now = shipment.booked_at
        if shipment.has_bill:
            self._observer.document(shipment, "MTD_ISSUED", shipment.ready_at)
        for journey in shipment.journeys:
            journey.expected = shipment.ready_at
            abroad = shipment.lanes[0].international or shipment.under_tir
            self._bookings.plan(
                journey, 0, shipment.ready_at + (policy.EXPORT_HOURS * HOUR if abroad else 0.0)
            )
            journey.first_departures = tuple(run.planned_departure for run in journey.runs)
            journey.first_arrivals = tuple(run.planned_arrival for run in journey.runs)
            journey.version = 1
            self._observer.itinerary(journey, self._now)
            self._hand_in(journey)

    def _hand_in(self, journey: Journey) -> None:
        run, rng = journey.runs[0], journey.rng
        late, after = rng.random(), lognormal(rng, 8 * HOUR, 0.7)
        before = lognormal(rng, 18 * HOUR, 0.6)
        if run.lane.international:
            before += policy.EXPORT_HOURS * HOUR
        if self._bookings.on_demand(run.lane):
            time = run.scheduled - min(before / 6, 6 * HOUR)
        elif late < policy.HAND_IN_LATE:
            time = run.cutoff + after
            self._blame(journey, "LATE_HAND_IN", run.lane.origin.node_id, time, after, 0)
        else:
            time = max(run.cutoff - before, journey.shipment.ready_at)
        self.at(time, self._handed_in, journey)

    def _handed_in(self, journey: Journey) -> None:
        if journey.over:
            return
        place = journey.lanes[0].origin
        self._observer.moved(journey, "GATED_IN", self._now, place, None)
        self._observer.lock(
            journey, "SEALED", self._now, (place.latitude, place.longitude), battery=98
        )
        if journey.lanes[0].international or journey.shipment.under_tir:
            self.at(self._cleared(journey, self._now, place), self._ready, journey)
        else:
            self._ready(journey)

    def _replan(self, journey: Journey, index: int, leaves: float) -> None:
        """A new version of the itinerary, from a leg on; made before the old run leaves."""
        self._bookings.plan(journey, index, self._bookings.expects(journey, index, self._now))
        journey.version += 1
        journey.recent.clear()
        time = self._now + journey.rng.uniform(0.05, 0.6) * max(0.0, leaves - self._now)
        self._observer.itinerary(journey, time, leaves)

    # --- runs

    def _made(self, run: Run) -> None:
        """A run has its first booking: its cut-off will come, and it may be cancelled."""
        self.at(run.cutoff, self._close, run)
        rng = self._chance.stream("cancelled", run.run_id)
        if rng.random() < run.service.movement.cancelled:
            self.at(run.scheduled - rng.uniform(1, 40) * HOUR, self._cancel, run)

    def _cancel(self, run: Run) -> None:
        if run.departed is not None or not run.booked:
            return
        run.cancelled = True
        run.ending = "CANCELLED"
        cause = self._causes.open(
            "CANCELLED_RUN", run.lane.leg_id, self._now, name=run.key, ends=run.scheduled
        )
        self._observer.cancelled(run, self._now)
        self._truth.run(run)
        booked, run.booked = list(run.booked), {}
        for journey in booked:
            index = journey.runs.index(run)
            if journey.over or self._gives_up(journey, run):
                continue
            self._replan(journey, index, run.scheduled)
            self._late_start(journey, index, run, cause)

    def _gives_up(self, journey: Journey, run: Run) -> bool:
        """Whether the shipper withdraws all units of the shipment, none of which has left."""
        shipment = journey.shipment
        waiting = all(
            other.at == 0 and other.runs[0] is run and not other.over for other in shipment.journeys
        )
        if not waiting or journey.rng.random() >= policy.GIVES_UP:
            return False
        self._observer.document(shipment, "CANCELLED", self._now + HOUR)
        for other in shipment.journeys:
            for booked in other.runs[1:]:
                booked.booked.pop(other, None)
            for index in range(len(other.lanes)):
                self._truth.unit_leg(other, index, None if index else "CANCELLED", self._causes)
            self._over(other)
        return True

    def _late_start(self, journey: Journey, index: int, was: Run, cause: Cause) -> None:
        """Another run is taken: what that costs, and why."""
        seconds = journey.runs[index].scheduled - was.scheduled
        if seconds > 0:
            self._charge(journey, index, cause, seconds)

    def _charge(self, journey: Journey, index: int, cause: Cause, seconds: float) -> None:
        key = (journey.unit_id, journey.lanes[index].leg_id)
        cause.units[key] = cause.units.get(key, 0) + round(seconds)
        journey.owes(cause.cause_id, seconds)

    def _blame(
        self, journey: Journey, kind: str, where: str, begins: float, seconds: float, index: int
    ) -> None:
        """Something that delays one unit only."""
        if index >= len(journey.lanes):
            return
        cause = self._causes.open(
            kind, where, begins, name=f"{journey.unit_id}-{int(begins)}", ends=begins + seconds
        )
        self._charge(journey, index, cause, seconds)

    def _close(self, run: Run) -> None:
        """The cut-off: who is not there stays behind."""
        run.service.runs.pop(run.scheduled, None)
        if run.cancelled:
            return
        leaves, held = self._leaves(run, run.scheduled)
        for journey in list(run.booked):
            index = journey.runs.index(run)
            made = journey.at == index and journey.ready_at is not None
            self._truth.connection(journey, index, run, journey.ready_at, made, self._now)
            if made:
                journey.recent.clear()  # the wait for this run has taken up what was late
            else:
                self._miss(journey, index, run, leaves)
        if run.booked:
            self.at(leaves, self._depart, run, held)

    def _miss(self, journey: Journey, index: int, run: Run, leaves: float) -> None:
        del run.booked[journey]
        before = journey.runs[index - 1].run_id if index else "origin"
        cause = self._causes.open(
            "MISSED_CONNECTION",
            run.lane.origin.node_id,
            self._now,
            name=f"{before}>{run.run_id}",
            ends=leaves,
            parent=journey.mainly,
        )
        self._replan(journey, index, leaves)
        self._late_start(journey, index, run, cause)

    def _leaves(self, run: Run, earliest: float) -> tuple[float, tuple[Shock, float] | None]:
        rng = self._chance.stream("start", run.key)
        return starts(run.lane, run.service.movement, earliest, rng, self._skies)

    def _depart(self, run: Run, held: tuple[Shock, float] | None) -> None:
        if run.cancelled:
            return
        self.runs += 1
        run.departed = _minute(self._now)
        run.aboard = list(run.booked)
        lane, movement = run.lane, run.service.movement
        run.trip = trip = travel(
            lane,
            movement,
            run.departed,
            self._chance.stream("trip", run.key),
            self._skies,
            self._pace,
        )
        self._cost_of_weather(run, [held] if held else [])
        self._foresee(run)
        self._board(run)
        diverted = self._chance.stream("diverted", run.key)
        if diverted.random() < movement.diverted and run.lane.target.kind != "LOCK":
            self._observer.departed(run)
            self.at(trip.time_at(diverted.uniform(0.3, 0.9)), self._divert, run)
            return
        self._observer.departed(run)
        self._cost_of_weather(run, trip.weather)
        if trip.stop is not None:
            seconds = trip.stop.ends - trip.stop.begins
            cause = self._causes.open(
                "BREAKDOWN", lane.leg_id, trip.stop.begins, name=run.key, ends=trip.stop.ends
            )
            self._cost(run, cause, seconds)
        if lane.leg_id == self._regime.leg_id and run.departed >= self._regime.begins:
            whole = trip.ends - run.departed
            self._cost(run, self._regime.cause, whole * (1 - 1 / policy.REGIME_LEG))
        self.at(trip.ends, self._approach, run)

    def _board(self, run: Run) -> None:
        assert run.departed is not None
        origin = run.lane.origin
        for journey in run.aboard:
            assert journey.ready_at is not None
            share = journey.rng.uniform(0.1, 0.9)
            loaded = journey.ready_at + share * (run.departed - journey.ready_at)
            journey.ready_at = None
            if not stays_aboard(journey, journey.at):
                self._observer.moved(journey, "LOADED", loaded, origin, run)

    def _cost_of_weather(self, run: Run, shocks: list[tuple[Shock, float]]) -> None:
        for shock, seconds in shocks:
            cause = self._causes.open(
                "WEATHER", shock.area, shock.begins, name=shock.name, ends=shock.ends
            )
            self._cost(run, cause, seconds)

    def _cost(self, run: Run, cause: Cause, seconds: float) -> None:
        if seconds >= MATTERS:
            run.costs[cause.cause_id] = run.costs.get(cause.cause_id, 0) + round(seconds)
            cause.runs[run.run_id, run.lane.leg_id] = run.costs[cause.cause_id]

    def _foresee(self, run: Run) -> None:
        """The oracle: many possible arrivals, from the world's true state at departure."""
        assert run.departed is not None
        rng = self._chance.stream("oracle", run.key)
        queue = self._queues.get(("BERTH", run.lane.target.node_id))
        state = queue.state(self._now) if queue and run.lane.mode is Mode.VESSEL else None
        arrivals: list[float] = []
        for _ in range(FUTURES):
            trip = travel(
                run.lane,
                run.service.movement,
                run.departed,
                rng,
                self._skies,
                self._pace,
                run.departed,
            )
            wait = queue.foresee(state, trip.ends, rng) if queue and state else 0.0
            arrivals.append(trip.ends + wait)
        arrivals.sort()
        run.oracle = (*(arrivals[index] for index in _QUANTILES), sum(arrivals) / FUTURES)

    def _approach(self, run: Run) -> None:
        queue = self._queues.get(("BERTH", run.lane.target.node_id))
        if queue is None or run.lane.mode is not Mode.VESSEL:
            self._arrive(run)
            return
        wait, cause = queue.enter(self._now, run.lane.mode, self._causes)
        self._observer.passing(run, "APPROACHING", self._now, run.lane.target)
        if cause is not None:
            self._cost(run, cause, wait)
        self.at(self._now + wait, self._arrive, run)

    def _divert(self, run: Run) -> None:
        run.diverted = _minute(self._now)
        run.ending = "DIVERTED"
        cause = self._causes.open("DIVERSION", run.lane.leg_id, self._now, name=run.key)
        self._observer.diverted(run)
        self._truth.run(run)
        for journey in run.aboard:
            back = lognormal(journey.rng, policy.RECOVERY_HOURS[0] * HOUR, policy.RECOVERY_HOURS[1])
            self._end_leg(journey, "DIVERTED")
            if journey.at == len(journey.lanes):
                self._over(journey)
                continue
            self._charge(journey, journey.at, cause, back)
            journey.arrived_at = self._now
            journey.expected = self._now + policy.RECOVERY_HOURS[0] * HOUR
            self.at(self._now + back, self._ready, journey)
        self._gone(run)

    def _arrive(self, run: Run) -> None:
        run.arrived = _minute(self._now)
        run.ending = "ARRIVED"
        for journey in run.aboard:
            for cause_id, seconds in run.costs.items():
                journey.owes(cause_id, seconds)
        self._observer.arrived(run)
        self._truth.run(run)
        place = run.lane.target
        for journey in run.aboard:
            self._end_leg(journey, "ARRIVED")
            journey.arrived_at = self._now
            journey.expected = self._now + self._bookings.allowed(journey, journey.at - 1)
        self._endorse(run)
        queue = self._queue_at(run.lane)
        if queue is None:
            self._handle(run)
            return
        wait, cause = queue.enter(self._now, run.lane.mode, self._causes)
        if cause is not None:
            for journey in run.aboard:
                if journey.at < len(journey.lanes):
                    self._charge(journey, journey.at, cause, wait)
        rng = self._chance.stream("queue", run.key)
        begins = self._now + wait
        ends = begins + lognormal(rng, queue.handling(self._now), 0.35)
        if queue.kind == "LOCK_QUEUE":
            self._observer.passing(run, "LOCK_QUEUE_ENTER", self._now, place)
            self._observer.passing(run, "LOCK_ENTER", begins, place)
            self._observer.passing(run, "LOCK_EXIT", ends, place)
        else:
            self._observer.passing(run, "ARRIVED_BORDER", self._now, place)
            if run.lane.mode is Mode.RAIL:
                self._observer.passing(run, "GAUGE_CHANGE_START", begins, place)
                self._observer.passing(run, "GAUGE_CHANGE_END", ends, place)
            self._observer.passing(run, "HANDED_OVER", ends + 900, place)
        self.at(ends, self._handle, run)

    def _endorse(self, run: Run) -> None:
        """Some bills change hands while the goods are on their way."""
        for shipment in dict.fromkeys(journey.shipment for journey in run.aboard):
            first = shipment.journeys[0]
            if first in run.aboard and first.at == 1 < len(first.lanes) and shipment.has_bill:
                rng = self._chance.stream("bill", shipment.shipment_id)
                after = lognormal(rng, 20 * HOUR, 0.8)
                if rng.random() < policy.ENDORSED:
                    self._observer.document(shipment, "MTD_ENDORSED", self._now + after)

    def _queue_at(self, lane: Lane) -> Queue | None:
        """The queue that a run joins once it has arrived."""
        if lane.mode in (Mode.RAIL, Mode.TRUCK):
            return self._queues.get(("BORDER_QUEUE", lane.target.node_id))
        if lane.mode is Mode.BARGE:
            return self._queues.get(("LOCK_QUEUE", lane.target.node_id))
        return None

    # --- units at a node

    def _handle(self, run: Run) -> None:
        """What is done with each unit of a run that has arrived and was let through."""
        onward: dict[Run, None] = {}
        for journey in run.aboard:
            if journey.at < len(journey.lanes) and goes_on(journey, journey.at):
                journey.ready_at = self._now
                onward[journey.runs[journey.at]] = None
            else:
                self._handle_unit(journey, run)
        for further in onward:
            further.service.further.pop(run.key)
            stays = run.lane.target.kind != "LOCK"
            rng = self._chance.stream("call", run.key)
            earliest = self._now + (lognormal(rng, 4 * HOUR, 0.5) if stays else 0.0)
            leaves, held = self._leaves(further, earliest)
            self.at(leaves, self._depart, further, held)
        self._gone(run)

    def _handle_unit(self, journey: Journey, run: Run) -> None:
        place, rng = run.lane.target, journey.rng
        unload = lognormal(rng, run.service.movement.unload_minutes * 60, 0.5)
        yard = lognormal(rng, policy.YARD_MINUTES[0] * 60, policy.YARD_MINUTES[1])
        last = journey.at == len(journey.lanes)
        onward = None if last else journey.lanes[journey.at]
        stays = not last and stays_aboard(journey, journey.at)
        flies_on = onward is not None and run.lane.mode is onward.mode is Mode.AIR
        crosses = run.lane.international or (onward is not None and onward.international)
        border = place.kind == "BORDER"
        if border and not last:
            unload, yard = unload * policy.BORDER_SHARE, yard * policy.BORDER_SHARE
        time = self._now + (yard / 4 if stays else unload)
        if not stays:
            self._observer.moved(journey, "DISCHARGED", time, place, run)
        if crosses and not flies_on and (border or last or place.kind in _GATES):
            time = self._cleared(journey, time, place)
        time += yard
        if onward is not None:
            self.at(time, self._ready, journey)
            return
        self._observer.moved(journey, "AVAILABLE_FOR_PICKUP", time, place, None)
        away = time + lognormal(rng, 20 * HOUR, 0.6)
        where = (place.latitude, place.longitude)
        self._observer.lock(journey, "UNSEALED_AUTHORISED", away - 600, where, battery=61)
        self._observer.moved(journey, "GATED_OUT", away, place, None)
        self.at(away, self._over, journey)

    def _cleared(self, journey: Journey, time: float, place: Place) -> float:
        """When customs let a unit go."""
        rng = journey.rng
        clear = time + lognormal(rng, policy.CUSTOMS_MINUTES[0] * 60, policy.CUSTOMS_MINUTES[1])
        selected, missing = rng.random(), rng.random()
        if selected < policy.INSPECTED:
            low, shape, high = policy.INSPECTION_HOURS
            takes = pareto(rng, low, shape, high) * HOUR
            self._observer.customs(journey, "CUSTOMS_SELECTED_FOR_INSPECTION", clear, place)
            where = (place.latitude, place.longitude)
            self._observer.lock(journey, "UNSEALED_AUTHORISED", clear + takes / 2, where)
            self._observer.lock(journey, "SEALED", clear + takes, where)
            self._blame(journey, "CUSTOMS_INSPECTION", place.node_id, clear, takes, journey.at)
            clear += takes
        elif missing < policy.PAPERS_MISSING:
            takes = lognormal(rng, policy.PAPERS_HOURS[0] * HOUR, policy.PAPERS_HOURS[1])
            self._observer.customs(journey, "ON_HOLD", clear, place)
            self._blame(journey, "CUSTOMS_HOLD", place.node_id, clear, takes, journey.at)
            clear += takes
        self._observer.customs(journey, "CUSTOMS_RELEASED", clear, place)
        if journey.shipment.under_tir:
            self._tir(journey, clear, place)
        return clear

    def _tir(self, journey: Journey, time: float, place: Place) -> None:
        """A TIR operation starts in each country that a truck enters, and ends where it leaves."""
        first, last = journey.at == 0, journey.at == len(journey.lanes)
        if first:
            self._observer.customs(journey, "TIR_ACCEPTED", time + 60, place)
        if first or journey.lanes[journey.at - 1].international:
            self._observer.customs(journey, "TIR_STARTED", time + 120, place)
        if last or (not first and journey.lanes[journey.at].international):
            self._observer.customs(journey, "TIR_TERMINATED", time + 180, place)
        if last:
            self._observer.customs(journey, "TIR_DISCHARGED", time + 20 * HOUR, place)

    def _ready(self, journey: Journey) -> None:
        if journey.over:
            return
        journey.ready_at = self._now
        run = journey.runs[journey.at]
        if self._bookings.on_demand(run.lane):
            leaves, held = self._leaves(run, max(self._now, run.scheduled))
            self.at(leaves, self._depart, run, held)

    def _end_leg(self, journey: Journey, ending: str) -> None:
        self._truth.unit_leg(journey, journey.at, ending, self._causes)
        journey.at += 1

    def _over(self, journey: Journey) -> None:
        journey.over = True
        shipment = journey.shipment
        if shipment.has_bill and shipment.over and journey.at == len(journey.lanes):
            self._observer.document(shipment, "MTD_SURRENDERED", self._now)
        self._observer.forget(journey.unit_id)
        self._released(journey, self._now)

    def _gone(self, run: Run) -> None:
        self._observer.forget(run.run_id)
        run.booked.clear()

    # --- what changes with time

    def _pace(self, lane: Lane, time: float) -> float:
        slower = lane.leg_id == self._regime.leg_id and time >= self._regime.begins
        return policy.REGIME_LEG if slower else 1.0


def _minute(time: float) -> float:
    """The next whole minute: what railways and airlines tell."""
    return -(-time // 60) * 60.0


def queue_factor(kind: str, node_id: str, regime: Regime) -> Callable[[float], float]:
    """Season and regime of one queue."""

    def factor(time: float) -> float:
        season = policy.SEASON[kind][datetime.fromtimestamp(time, UTC).month - 1]
        slower = node_id == regime.node_id and time >= regime.begins
        return season * (policy.REGIME_QUEUE if slower else 1.0)

    return factor
