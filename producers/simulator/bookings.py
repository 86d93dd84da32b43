"""What carriers promise: on which runs a unit is, and when it should be ready for them."""

import zlib

from corridor.codes import Mode
from producers.simulator import policy
from producers.simulator.chance import HOUR
from producers.simulator.lanes import Lane
from producers.simulator.services import Board, Run
from producers.simulator.shipments import Journey

_QUARTER = 900


def goes_on(journey: Journey, index: int) -> bool:
    """Whether a leg is the same barge's voyage as the one before."""
    if index == 0:
        return False
    before, lane = journey.lanes[index - 1], journey.lanes[index]
    return before.mode is lane.mode is Mode.BARGE and (
        before.target.kind == "LOCK" or journey.shipment.dwells[index - 1] <= policy.THROUGH_HOURS
    )


def stays_aboard(journey: Journey, index: int) -> bool:
    """Whether a unit goes into a leg without being loaded: by the same barge, or truck."""
    if index == 0:
        return False
    before, lane = journey.lanes[index - 1], journey.lanes[index]
    return goes_on(journey, index) or before.mode is lane.mode is Mode.TRUCK


class Bookings:
    """The boards of all legs."""

    def __init__(self, boards: dict[str, Board]) -> None:
        """Args: boards: by leg."""
        self._boards = boards

    def on_demand(self, lane: Lane) -> bool:
        """Whether runs on a leg leave when their unit is ready."""
        return self._boards[lane.leg_id].on_demand

    def plan(self, journey: Journey, first: int, ready: float) -> None:
        """Books legs from `first` on; keeps what can still be reached.

        Args:
            journey: Its `runs` are changed.
            first: The leg.
            ready: When the unit should be ready for it.
        """
        for index in range(first, len(journey.lanes)):
            booked = journey.runs[index] if index < len(journey.runs) else None
            run = self._run(journey, index, ready, booked)
            if booked is not None and booked is not run:
                booked.booked.pop(journey, None)
            run.booked[journey] = None
            journey.runs[index : index + 1] = [run]
            ready = run.planned_arrival + self.allowed(journey, index)

    def _run(self, journey: Journey, index: int, ready: float, booked: Run | None) -> Run:
        board = self._boards[journey.lanes[index].leg_id]
        if goes_on(journey, index):
            dwell = journey.shipment.dwells[index - 1] * HOUR
            return board.continuing(journey.runs[index - 1], dwell)
        if board.on_demand:
            return _on_demand(board, journey, index, ready, booked)
        if booked is not None and journey in booked.booked and booked.cutoff >= ready:
            return booked
        return board.next_run(ready)

    def allowed(self, journey: Journey, index: int) -> float:
        """Seconds that a booking allows from the end of one leg to the next one's cut-off."""
        if index + 1 == len(journey.lanes):
            return 0.0
        least = policy.LEAST_CONNECTION_HOURS[journey.lanes[index + 1].mode]
        usual = journey.shipment.dwells[index] * policy.CONNECTION_SHARE
        spare = journey.lanes[index].hours * policy.SPARE_SHARE
        return (max(least, usual) + spare) * HOUR

    def expects(self, journey: Journey, index: int, now: float) -> float:
        """When a unit will be ready for a leg, as far as its carriers can tell now."""
        if journey.at == index:
            if journey.ready_at is not None:
                return now
            # the longer it has taken already, the longer it will take still
            spent = now - journey.arrived_at if index else 0.0
            return max(now + max(2 * HOUR, spent / 2), journey.expected)
        ready = now
        for before in range(journey.at, index):
            run = journey.runs[before]
            leaves = run.departed if run.departed is not None else max(run.scheduled, ready)
            ready = leaves + run.service.duration + self.allowed(journey, before)
        return max(now + 2 * HOUR, ready)


def _on_demand(board: Board, journey: Journey, index: int, ready: float, booked: Run | None) -> Run:
    """A run of the unit's own; one that is booked leaves later if the unit is later."""
    scheduled = -(-(ready + HOUR) // _QUARTER) * float(_QUARTER)
    if booked is not None:
        if scheduled > booked.scheduled:
            booked.planned_arrival += scheduled - booked.scheduled
            booked.scheduled = booked.planned_departure = scheduled
        return booked
    lot = zlib.crc32(f"{journey.shipment.shipment_id} {journey.unit_id}".encode())
    service = board.services[lot % len(board.services)]
    order = f"{journey.shipment.shipment_id}-{journey.unit_id}-{index + 1}"
    return service.on_demand(scheduled, order, lot)
