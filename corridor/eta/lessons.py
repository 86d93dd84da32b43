"""What the workers tell the learner, in the order in which it teaches.

A lesson is of a run on a leg, not of a unit: fifty wagons of one train tell it fifty times, and it
teaches once. All lessons go through one partition, so that what was learned is a function of how
many of them were read. Times are minutes since 1970.
"""

from enum import StrEnum

import msgspec

from corridor.codes import Mode
from corridor.eta.experts import Statement
from corridor.eta.signal import Kind


class What(StrEnum):
    """What there is to learn from."""

    PLANNED = "PLANNED"
    EXPECTED = "EXPECTED"
    """It is yet to depart, and an estimate was asked for: what is known now will teach."""
    DEPARTED = "DEPARTED"
    ARRIVED = "ARRIVED"
    ENDED = "ENDED"
    """Cancelled, diverted, or taken back: it says nothing of how long runs take."""


class Stay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How a unit had come to the node that it has left now."""

    mode: Mode
    arrival: float
    run: str
    """That it came by: who changed between the same two runs says the same."""
    missed: float | None = None
    """When the service closed that it was to leave by, but did not."""
    through: bool = False
    """It goes on with the same conveyance."""
    gap: float = 0.0
    """Minutes that the plan gives it."""


class Lesson(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One thing that happened to a run on a leg. Fields may be appended, never moved."""

    what: What
    run: str
    """Names the run on its leg; a unit that travels alone is its own run."""
    mode: Mode
    leg_id: str
    from_node: str
    to_node: str
    service_id: str | None
    carrier_id: str | None
    planned_departure: float
    planned_arrival: float
    at: float
    """When it was known."""
    time: float | None = None
    """When it departed or arrived in fact."""
    delay: float = 0.0
    """How late it is at least, as far as is known at `at`."""
    cutoff: float | None = None
    """The latest hand-in, as planned."""
    stay: Stay | None = None
    """Of a departure: how the unit had come there."""
    stated: tuple[Statement, ...] = ()
    """Of an arrival: what others had said of it, and we ourselves."""
    gaps: tuple[tuple[str, Kind, float], ...] = ()
    """Of an arrival: for how long sources had been silent, between two times they were heard."""


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Lesson).decode
