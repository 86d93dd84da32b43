"""State of one unit: its journeys, what happened on them, and what was said about them.

Plain structs, so that a bucket of units is one msgpack value. Fields may be appended, never moved:
they are stored by position.
"""

from datetime import UTC, datetime

import msgspec

from corridor.alerting.alarm import Alarm
from corridor.codes import Ending, Mode, Signal, Stage
from corridor.eta.experts import Statement
from corridor.eta.progress import Motion
from corridor.eta.signal import Heard

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class PlannedLeg(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`corridor.models.Leg` as it is kept."""

    leg_id: str
    sequence: int
    mode: Mode
    from_node: str
    to_node: str
    run_id: str | None
    service_id: str | None
    carrier_id: str | None
    planned_departure: datetime
    planned_arrival: datetime
    cutoff: datetime | None = None

    @property
    def closes(self) -> datetime:
        """Until when a unit has to be handed in to go as planned."""
        return self.cutoff or self.planned_departure


class Milestone(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An event that can change a stage, or the tombstone of a retracted one."""

    source: str
    event_id: str
    updated_time: datetime
    retracted: bool
    code: str
    event_time: datetime
    node_id: str | None
    run_id: str | None
    shipment_id: str | None
    shared: bool = False
    """Told of the whole run or shipment, not of this unit."""

    def supersedes(self, other: "Milestone") -> bool:
        """Whether this version of the same event replaces the other one."""
        return (self.updated_time, self.retracted) > (other.updated_time, other.retracted)


class Waiting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A milestone that came before its itinerary, with all that a dead letter would need."""

    milestone: Milestone
    topic: str
    partition: int
    offset: int
    key: bytes | None
    payload: bytes
    received_ms: int


class Concern(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An event that changes no stage but may be the beginning or the end of an alert."""

    source: str
    event_id: str
    updated_time: datetime
    retracted: bool
    code: str
    event_time: datetime
    node_id: str | None
    shipment_id: str | None

    def supersedes(self, other: "Concern") -> bool:
        """Whether this version of the same event replaces the other one."""
        return (self.updated_time, self.retracted) > (other.updated_time, other.retracted)


class Predicted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was predicted when a leg entered a stage."""

    stage: Stage
    as_of: datetime
    eta: datetime
    evidence: str
    model_version: str = ""


class LegMemory(msgspec.Struct, array_like=True):
    """What was last said about a leg, so that only changes are said again."""

    stage: Stage | None = None
    eta: datetime | None = None
    evidence: str = ""
    predictions: list[Predicted] = []
    ending: Ending | None = None
    departure: datetime | None = None
    arrival: datetime | None = None
    run_id: str | None = None
    review: datetime | None = None
    """When silence alone will have changed the estimate."""
    signal: Signal = Signal.LIVE
    missed: float | None = None
    """The probability of a missed connection."""
    motion: Motion | None = None
    """Where it is on the leg, as far as positions have shown."""
    shown: float | None = None
    """The arrival by its motion when that was last looked at, minutes since 1970."""
    stated: list[Statement] = []
    """What others said of its arrival, and what we said at the same time."""
    own: float | None = None
    """The arrival that we expected without hearing others, minutes since 1970."""
    closed: datetime | None = None
    """When the service closed that the unit was to leave by, but did not."""
    stalled: datetime | None = None
    """Since when it is said to have stalled."""


class Journey(msgspec.Struct, array_like=True):
    """One shipment's itinerary, in its highest version, and what was said about each leg."""

    shipment_id: str
    corridor_id: str
    version: int
    issued_time: datetime
    legs: list[PlannedLeg]
    memory: list[LegMemory]
    known_at: datetime = BEGINNING
    """The clock when this version came. What was due by then is history, and no news."""
    carried: list[float] = []
    """The arrival at the end of the current leg, as quantiles, that the later legs follow from."""
    parties: tuple[str, ...] = ()

    @property
    def start(self) -> datetime:
        """From when on events may belong to this journey."""
        return min(self.issued_time, self.legs[0].planned_departure)

    def plans(self, run_id: str) -> bool:
        """Whether one of its legs is to go by a run."""
        return any(leg.run_id == run_id for leg in self.legs)


class Unit(msgspec.Struct, array_like=True):
    """All that is known of one unit."""

    unit_id: str
    as_of: datetime = BEGINNING
    journeys: list[Journey] = []
    milestones: list[Milestone] = []
    waiting: list[Waiting] = []
    touched_ms: int = 0
    """When what changed the unit last was received."""
    heard: dict[str, Heard] = {}
    """When each source last told something of it."""
    told_until: datetime = BEGINNING
    """The newest event that was told: what is told after it is late."""
    alarms: list[Alarm] = []
    """Of conditions that hold, or held on a journey that is not over."""
    concerns: list[Concern] = []
    told: int = 0
    """The revision of the last alert."""

    def journey_of(self, milestone: Milestone) -> Journey | None:
        """The journey that an event belongs to: by shipment, else by run, else by time.

        What is told of a whole run belongs to the journey that goes by it, or to none.
        """
        if milestone.shipment_id is not None:
            for journey in self.journeys:
                if journey.shipment_id == milestone.shipment_id:
                    return journey
            return None
        if milestone.run_id is not None:
            for journey in reversed(self.journeys):
                if journey.plans(milestone.run_id):
                    return journey
            if milestone.shared:
                return self._loaded_into(milestone.run_id)
        for journey in reversed(self.journeys):
            if journey.start <= milestone.event_time:
                return journey
        return None

    def _loaded_into(self, run_id: str) -> Journey | None:
        """The journey in which the unit was loaded into a run that no plan names."""
        for other in self.milestones:
            if other.code == "LOADED" and other.run_id == run_id and not other.retracted:
                return self.journey_of(other)
        return None

    def subjects(self) -> set[str]:
        """The runs and shipments whose events reach the unit."""
        found = {journey.shipment_id for journey in self.journeys}
        for journey in self.journeys:
            found.update(leg.run_id for leg in journey.legs if leg.run_id is not None)
        found.update(
            m.run_id for m in self.milestones if m.code == "LOADED" and m.run_id is not None
        )
        return found

    @property
    def empty(self) -> bool:
        """Whether nothing of the unit is left to keep."""
        return not (self.journeys or self.waiting or self.concerns)
