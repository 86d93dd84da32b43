"""The numbers of the world, by mode and by kind of place: what is typical and how it varies.

Orders of magnitude follow published corridor times; the shape follows what operators report: the
movement itself is regular, and what varies is the queue before it.
"""

from dataclasses import dataclass

from corridor.codes import Mode


@dataclass(frozen=True)
class Movement:
    """How the runs of one mode go."""

    kmh: float
    """Commercial speed, where the network states no time."""
    run_sigma: float
    """Of the log of a whole run's time: good and bad crews, paths, engines."""
    part_sigma: float
    """Of the log of each part's time."""
    start_minutes: float
    """Median of a late start; as often later as less late."""
    start_sigma: float
    breakdown_hours: float
    """Mean hours of movement between two breakdowns."""
    stop_hours: float
    """Median of the stop after one."""
    cancelled: float
    """Share of runs."""
    diverted: float
    """Share of runs."""
    parts: int
    """In how many parts a long run is simulated."""
    weekly: tuple[int, int]
    """Departures a week of one service, from and to; none: on demand."""
    services: int
    """How many carriers compete on a leg."""
    capacity: int
    """Units that one run takes for this corridor."""
    cutoff_hours: float
    unload_minutes: float
    """Median from arrival to a unit's discharge."""
    late_hours: float
    """How much later than planned is beyond what every run has."""


MOVEMENTS: dict[Mode, Movement] = {
    Mode.RAIL: Movement(42, 0.07, 0.06, 25, 0.9, 900, 5, 0.012, 0.0, 6, (3, 14), 2, 50, 6, 150, 1),
    Mode.VESSEL: Movement(
        26, 0.05, 0.04, 150, 0.9, 2500, 14, 0.02, 0.012, 6, (1, 2), 2, 160, 24, 480, 12
    ),
    Mode.BARGE: Movement(14, 0.09, 0.06, 60, 0.8, 1200, 8, 0.015, 0.0, 6, (3, 7), 2, 90, 8, 240, 4),
    Mode.TRUCK: Movement(52, 0.12, 0.10, 20, 0.9, 600, 4, 0.004, 0.0, 4, (0, 0), 2, 1, 0, 45, 1),
    Mode.AIR: Movement(
        760, 0.03, 0.02, 14, 1.0, 900, 2, 0.018, 0.006, 3, (7, 14), 2, 30, 4, 90, 0.25
    ),
}


@dataclass(frozen=True)
class Waiting:
    """A queue that all runs share: a server that clears one job after the other."""

    load: float
    """Share of the time that foreign traffic keeps it busy."""
    job_hours: dict[Mode, float]
    """What one of our runs adds to it."""
    handling_hours: float
    """Median of what is done with a run once it is its turn: the change of gauge, the locking."""
    closure_days: float
    """Mean days between two closures or accidents."""
    closure_hours: tuple[float, float, float]
    """Low, shape and high of how long one lasts: heavy-tailed."""
    episode_hours: float
    """From what wait on it is an incident, and has a cause of its own."""


WAITINGS: dict[str, Waiting] = {
    "BORDER_QUEUE": Waiting(0.62, {Mode.RAIL: 0.25, Mode.TRUCK: 0.02}, 1.8, 40, (8, 1.15, 240), 12),
    "LOCK_QUEUE": Waiting(0.74, {Mode.BARGE: 0.2}, 3.0, 30, (10, 1.1, 264), 16),
    "BERTH": Waiting(0.55, {Mode.VESSEL: 1.5}, 0, 30, (6, 1.3, 120), 10),
}
"""By the kind of cause that a long wait there is."""


@dataclass(frozen=True)
class Weather:
    """Shocks of one area."""

    gap_days: float
    hours: float
    """Median."""
    sigma: float
    slow: tuple[float, float]
    """By what factor movement is slower, from and to."""
    months: tuple[int, ...]
    """When they come twice as often."""


WEATHER: dict[str, Weather] = {
    "SEA": Weather(26, 36, 0.6, (1.2, 2.2), (7, 8, 9, 10)),
    "LAND": Weather(40, 20, 0.8, (1.15, 1.9), (1, 2, 6, 7)),
    "AIR": Weather(14, 6, 0.6, (1.05, 1.3), (6, 7, 8)),
}
DOMAIN = {
    Mode.VESSEL: "SEA",
    Mode.AIR: "AIR",
    Mode.RAIL: "LAND",
    Mode.BARGE: "LAND",
    Mode.TRUCK: "LAND",
}
AREA_DEGREES = 6
"""Runs in one square of this size meet the same weather."""
HELD = 1.6
"""From this factor on, a run does not start until the weather is over, but"""
HELD_HOURS = 24
"""waits no longer than this."""

SEASON: dict[str, tuple[float, ...]] = {
    # January to December: how much busier a queue is than on average
    "BORDER_QUEUE": (1.05, 0.85, 1.0, 1.0, 0.95, 0.95, 0.95, 1.0, 1.05, 1.1, 1.1, 1.1),
    "LOCK_QUEUE": (1.1, 1.1, 1.15, 1.0, 0.95, 0.95, 1.0, 1.05, 0.95, 0.95, 0.95, 1.0),
    "BERTH": (1.05, 0.8, 0.9, 1.0, 1.0, 1.0, 1.05, 1.1, 1.1, 1.05, 1.0, 1.0),
}

REGIME_QUEUE = 1.35
"""By what factor everything takes longer at the place that slows down in the middle."""
REGIME_LEG = 1.2
"""By what factor the movement on one leg takes longer from then on."""
REGIME_TIMETABLE_HOURS = 5
"""By how much one service's timetable is moved then."""

LEAST_CONNECTION_HOURS: dict[Mode, float] = {
    # what a booking allows at least from one leg's arrival to the next one's cut-off, by the next
    Mode.RAIL: 8,
    Mode.VESSEL: 12,
    Mode.BARGE: 6,
    Mode.TRUCK: 3,
    Mode.AIR: 4,
}
CONNECTION_SHARE = 1.1
"""How much of a node's usual time a booking allows before the next cut-off, if that is more."""
SPARE_SHARE = 0.05
"""What it allows besides, of the hours of the leg before."""
ONWARD_CUTOFF = 1 / 3
"""How long before a departure the cut-off is at nodes in the middle, of that at an origin's."""
ONWARD_WEEKLY: dict[Mode, tuple[int, int]] = {Mode.RAIL: (14, 28)}
"""Departures a week from nodes in the middle, where they differ: a border's trains are many."""
THROUGH_HOURS = 12
"""A barge that calls for no longer than this goes on with what is aboard."""

CUSTOMS_MINUTES = (50, 0.7)
"""Median and sigma of an uneventful clearance of one unit."""
INSPECTED = 0.035
"""Share of the units that customs select."""
INSPECTION_HOURS = (10, 1.4, 220)
"""Low, shape and high of what that takes."""
PAPERS_MISSING = 0.008
"""Share of the units put on hold for their papers."""
PAPERS_HOURS = (18, 0.8)
"""Median and sigma."""
YARD_MINUTES = (70, 0.6)
"""Median and sigma from discharge to being ready for the next leg."""
BORDER_SHARE = 0.35
"""Of handling one unit, what it takes at a border: a train is reloaded as a whole."""
EXPORT_HOURS = 8
"""What a booking allows for export customs."""
HAND_IN_LATE = 0.015
"""Share of the units that the shipper hands in after the cut-off."""
GIVES_UP = 0.08
"""Share of the bookings that are withdrawn when their run is cancelled."""
RECOVERY_HOURS = (48, 0.5)
"""Median and sigma from a diversion to being back on the way."""
ENDORSED = 0.4
"""Share of the bills of several legs that are endorsed under way."""
