"""Runs a world from its first booking to its last delivery."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from corridor import topics
from corridor.codes import EventType, Mode
from producers.messages import TOPIC_OF
from producers.replay.ordering import Sorter
from producers.replay.record import Record
from producers.simulator import policy
from producers.simulator.causes import Causes
from producers.simulator.chance import DAY, HOUR, WEEK, Chance
from producers.simulator.geography import Geography, geography
from producers.simulator.identities import Numbers
from producers.simulator.noise import LEVELS
from producers.simulator.observation import Observer
from producers.simulator.queues import Queue
from producers.simulator.services import Board, services_of
from producers.simulator.shipments import UNITS_EACH, Journey, Shipment, unit_count
from producers.simulator.statements import Listener, Statement, text
from producers.simulator.truth import Truth
from producers.simulator.weather import Skies
from producers.simulator.world import Regime, World, queue_factor

EQUIPPED = 0.12
"""Share of units with a lock that tells where it is."""
REUSED = 0.3
"""Share of containers that come from an earlier shipment."""
REST = 9 * DAY
"""How long one rests in between; corrections of its last journey have come by then."""
LONGEST = 200 * DAY
"""From the last booking to the end of the weather."""
WARM_UP = 21 * DAY
"""How long queues have been there before the first booking."""


@dataclass(frozen=True)
class Parameters:
    """What is to be simulated."""

    corridor_id: str
    shipments: int
    seed: int
    start: date = date(2026, 1, 5)
    days: int = 120
    noise: str = "normal"
    loss: float = 0.0
    ping_factor: float = 1.0


@dataclass
class Summary:
    """What came of it."""

    shipments: int = 0
    units: int = 0
    runs: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)


def simulate(
    parameters: Parameters, listener: Listener, write_truth: Callable[[bytes], object]
) -> Summary:
    """Simulates a corridor; the same parameters always give the same messages and truth.

    Args:
        parameters: What to simulate.
        listener: Takes the messages, in no order.
        write_truth: Takes lines of the truth.

    Raises:
        UnknownCorridor: it is not declared.
    """
    chance = Chance(parameters.seed)
    begins = datetime.combine(parameters.start, datetime.min.time(), UTC).timestamp()
    ends = begins + parameters.days * DAY
    place = geography(parameters.corridor_id, chance)
    truth, causes, numbers = Truth(write_truth), Causes(), Numbers(chance)
    regime = _regime(place, chance, causes, (begins + ends) / 2)
    queues = _queues(place, chance, regime, begins - WARM_UP)
    skies = Skies(chance, begins - WARM_UP, ends + LONGEST)
    boards = _boards(place, chance, numbers, parameters, begins)
    moved = _move_one_timetable(boards, chance, (begins + ends) / 2)
    truth.simulation(
        **asdict(parameters),
        regime={
            "begins": text(regime.begins),
            "slower_node": regime.node_id,
            "slower_leg": regime.leg_id,
            "moved_timetable": moved,
        },
    )
    observer = Observer(
        chance,
        LEVELS[parameters.noise],
        parameters.loss,
        parameters.ping_factor,
        listener,
        truth,
    )
    depot: list[tuple[float, str]] = []
    world = World(
        chance,
        boards,
        queues,
        skies,
        causes,
        regime,
        observer,
        truth,
        lambda journey, time: depot.append((time, journey.unit_id)) if journey.at else None,
    )
    summary = Summary()
    for shipment in _shipments(place, chance, numbers, parameters, begins, depot):
        world.run_until(shipment.booked_at)
        world.book(shipment)
        summary.shipments += 1
        summary.units += len(shipment.journeys)
    world.run_until(None)
    summary.runs = world.runs
    summary.causes = truth.causes(causes)
    summary.rows, summary.endings = truth.rows, truth.endings
    return summary


def _shipments(
    place: Geography,
    chance: Chance,
    numbers: Numbers,
    parameters: Parameters,
    begins: float,
    depot: list[tuple[float, str]],
) -> Iterator[Shipment]:
    rng = chance.stream("bookings")
    times = sorted(rng.random() for _ in range(parameters.shipments))
    weights = [way.weight for way in place.ways]
    for number, share in enumerate(times, start=1):
        booked = float(round(begins + share * parameters.days * DAY))
        shipment_id = f"{parameters.corridor_id}-{parameters.seed}-{number:06d}"
        rng = chance.stream("shipment", shipment_id)
        way = rng.choices(place.ways, weights)[0]
        road = parameters.corridor_id == "TIR"
        shipment = Shipment(
            shipment_id,
            parameters.corridor_id,
            way.lanes,
            way.dwells,
            booked,
            booked + rng.uniform(1.5, 7) * DAY,
            (f"SHIPPER-{rng.randrange(40):02d}", f"CONSIGNEE-{rng.randrange(60):02d}"),
            road,
        )
        flies = any(lane.mode is Mode.AIR for lane in way.lanes)
        for index in range(unit_count(rng, flies or road)):
            if flies:
                airline = next(lane for lane in way.lanes if lane.mode is Mode.AIR).carriers[0]
                # a waybill is both the unit and its document
                unit_id = shipment.shipment_id = numbers.air_waybill(airline)
            elif road:
                unit_id = numbers.carnet()
            else:
                reused = rng.random() < REUSED and depot and depot[0][0] + REST < booked
                unit_id = depot.pop(0)[1] if reused else numbers.container()
            own = chance.stream("unit", shipment_id, str(index))
            equipped = not flies and own.random() < EQUIPPED
            shipment.journeys.append(Journey(unit_id, shipment, own, equipped))
        yield shipment


def _regime(place: Geography, chance: Chance, causes: Causes, middle: float) -> Regime:
    """A place with a queue slows down; where there is none, a leg."""
    rng = chance.stream("regime")
    used: Counter[str] = Counter()
    legs: Counter[str] = Counter()
    for way in place.ways:
        for lane in way.lanes:
            legs[lane.leg_id] += 1
            if lane.target.kind in ("BORDER", "LOCK") or lane.mode is Mode.VESSEL:
                used[lane.target.node_id] += 1
    busiest = [name for name, _ in used.most_common(4)]
    node_id = rng.choice(busiest) if busiest else None
    leg_id = rng.choice([name for name, _ in legs.most_common(6)])
    where = node_id or leg_id
    return Regime(causes.open("REGIME", where, middle), middle, node_id, leg_id)


def _queues(
    place: Geography, chance: Chance, regime: Regime, begins: float
) -> dict[tuple[str, str], Queue]:
    queues: dict[tuple[str, str], Queue] = {}
    for lane in place.lanes.values():
        target = lane.target
        kind = {"BORDER": "BORDER_QUEUE", "LOCK": "LOCK_QUEUE"}.get(target.kind)
        if lane.mode is Mode.VESSEL:
            kind = "BERTH"
        if kind is None or (kind, target.node_id) in queues:
            continue
        slower = target.node_id == regime.node_id
        queues[kind, target.node_id] = Queue(
            kind,
            target.node_id,
            policy.WAITINGS[kind],
            chance.stream("queue", kind, target.node_id),
            begins,
            queue_factor(kind, target.node_id, regime),
            lambda time, slower=slower: (  # type: ignore[misc]
                regime.cause.cause_id if slower and time >= regime.begins else None
            ),
        )
    return queues


def _boards(
    place: Geography, chance: Chance, numbers: Numbers, parameters: Parameters, begins: float
) -> dict[str, Board]:
    monday = begins - (datetime.fromtimestamp(begins, UTC).weekday() * DAY)
    whole = sum(way.weight for way in place.ways)
    weekly: Counter[str] = Counter()
    boards: dict[str, Board] = {}
    units = parameters.shipments * UNITS_EACH / (parameters.days * DAY / WEEK)
    for way in place.ways:
        for lane in way.lanes:
            weekly[lane.leg_id] += units * way.weight / whole  # type: ignore[assignment]
    for leg_id, lane in place.lanes.items():
        boards[leg_id] = services_of(lane, chance, numbers, monday, weekly[leg_id])
    return boards


def _move_one_timetable(boards: dict[str, Board], chance: Chance, middle: float) -> str | None:
    """From the middle on, one service leaves at other times of the day; says which."""
    services = [
        service for board in boards.values() for service in board.services if service.offsets
    ]
    if not services:
        return None
    service = chance.stream("timetable").choice(services)
    service.changes_at = middle
    service.shift = policy.REGIME_TIMETABLE_HOURS * HOUR
    return service.service_id


class Replay:
    """Takes messages as records of a replay, to be sorted."""

    def __init__(self, sorter: Sorter) -> None:
        """Args: sorter: takes the records."""
        self._sorter = sorter
        self.kinds: Counter[str] = Counter()

    def hears(self, available: float, statement: Statement) -> None:
        event = statement.event()
        self.kinds[f"{statement.event_type} {statement.code}"] += 1
        subject = statement.unit_id or statement.run_id or statement.shipment_id or ""
        self._sorter.add(
            Record(
                round(available) * 1_000_000,
                TOPIC_OF[EventType(statement.event_type)],
                subject.encode(),
                # of exact size: what orjson returns would occupy eight times as much
                msgspec.json.encode(event),
                True,
            )
        )

    def receives(self, available: float, party: str, itinerary: dict[str, Any]) -> None:
        self.kinds["ITINERARY"] += 1
        self._sorter.add(
            Record(
                round(available) * 1_000_000,
                topics.ITINERARIES.name,
                itinerary["unit_id"].encode(),
                msgspec.json.encode(itinerary),
                True,
            )
        )
