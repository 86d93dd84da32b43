"""Shipments, and the journey of each of their units."""

from dataclasses import dataclass, field
from random import Random

from corridor.codes import Mode
from producers.simulator.chance import weighted
from producers.simulator.lanes import Lane
from producers.simulator.services import Run

_UNITS = [0.6, 0.24, 0.1, 0.06]
"""Shares of shipments with one, two, three and four units."""


@dataclass(eq=False)
class Shipment:
    """Goods under one transport document."""

    shipment_id: str
    corridor_id: str
    lanes: tuple[Lane, ...]
    dwells: tuple[float, ...]
    """Usual hours at the nodes between them."""
    booked_at: float
    ready_at: float
    """When the shipper says that it can be handed in."""
    parties: tuple[str, ...]
    under_tir: bool = False
    journeys: list["Journey"] = field(default_factory=list)

    @property
    def has_bill(self) -> bool:
        """Whether one bill goes with it all the way; air cargo has its waybill."""
        return all(lane.mode is not Mode.AIR for lane in self.lanes)

    @property
    def over(self) -> bool:
        return all(journey.over for journey in self.journeys)


@dataclass(eq=False)
class Journey:
    """One unit of a shipment on its way."""

    unit_id: str
    shipment: Shipment
    rng: Random
    equipped: bool
    """Whether it has a lock that knows where it is."""
    runs: list[Run] = field(default_factory=list)
    """What it is booked on, leg by leg."""
    version: int = 0
    at: int = 0
    """The leg that it is on, or waits for."""
    ready_at: float | None = None
    """Since when it is ready for that leg; None: it is not."""
    arrived_at: float = 0.0
    """When its last leg ended."""
    expected: float = 0.0
    """When its carrier expects that."""
    first_arrivals: tuple[float, ...] = ()
    """Planned arrivals of its first itinerary."""
    first_departures: tuple[float, ...] = ()
    ledger: dict[str, int] = field(default_factory=dict)
    """Seconds that causes have delayed it by so far."""
    recent: dict[str, int] = field(default_factory=dict)
    """The same, since its plan was last kept or changed."""
    over: bool = False

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self.shipment.lanes

    def owes(self, cause_id: str, seconds: float) -> None:
        """Remembers what delayed it."""
        for ledger in (self.ledger, self.recent):
            ledger[cause_id] = ledger.get(cause_id, 0) + round(seconds)

    @property
    def mainly(self) -> str | None:
        """The cause of most of what it is behind its plan."""
        return max(self.recent, key=self.recent.__getitem__, default=None)


def unit_count(rng: Random, one_only: bool) -> int:
    """How many units a shipment has."""
    return 1 if one_only else weighted(rng, _UNITS) + 1


UNITS_EACH = sum(share * count for count, share in enumerate(_UNITS, start=1))
"""Units of an average shipment."""
