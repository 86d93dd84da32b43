"""A box by rail, sea and rail, what is told of it, and learners that have seen such runs."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from corridor.codes import Classifier, EventType, Mode
from corridor.eta.estimator import NAIVE, Estimator
from corridor.eta.learner import Learner
from corridor.eta.lessons import Lesson, Stay, What
from corridor.eta.model import Model
from corridor.eta.query import minutes
from corridor.models import Itinerary, Leg, LegEstimate, LegOutcome, TrackingEvent
from corridor.network.gazetteer import node
from corridor.tracking.reports import apply_report, is_report
from corridor.tracking.unit import BEGINNING, Unit
from corridor.tracking.update import Output, Verdict, advance, apply_event, apply_itinerary

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TERMINAL, PORT, ABROAD = "CNCQI-TJC", "CNQZH", "SGSIN"
LEAVES = 2880.0
"""Minutes from the start until the vessel leaves."""


def at(hours: float) -> datetime:
    return START + hours * HOUR


def leg(
    sequence: int, origin: str, target: str, mode: Mode, departs: float, arrives: float, **more: Any
) -> Leg:
    values: dict[str, Any] = {"run_id": f"RUN{sequence}"}
    return Leg(
        leg_id=f"{origin}-{target}.{mode}",
        sequence=sequence,
        mode=mode,
        from_node=origin,
        to_node=target,
        planned_departure=at(departs),
        planned_arrival=at(arrives),
        **(values | more),
    )


RAIL = leg(1, TERMINAL, PORT, Mode.RAIL, 0, 46, carrier_id="RAILWAY")
SEA = leg(2, PORT, ABROAD, Mode.VESSEL, 60, 180, service_id="LINE", cutoff=at(56))
LAND = leg(3, ABROAD, "MYPKG", Mode.RAIL, 200, 215)
JOURNEY = (RAIL, SEA, LAND)


def itinerary(*legs: Leg, unit: str = "U", version: int = 1, **values: Any) -> Itinerary:
    known: dict[str, Any] = {"issued_time": at(-72), "shipment_id": f"S-{unit}"}
    return Itinerary(
        unit_id=unit, corridor_id="C", version=version, legs=legs or JOURNEY, **(known | values)
    )


def told(code: str, where: str, hours: float, **values: Any) -> TrackingEvent:
    equipment = code in ("LOADED", "DISCHARGED", "GATED_OUT")
    known: dict[str, Any] = {
        "event_id": f"{code}-{where}",
        "source": "carrier",
        "event_type": EventType.EQUIPMENT if equipment else EventType.TRANSPORT,
    }
    if "run_id" not in values:
        known["unit_id"] = "U"
    return TrackingEvent(code=code, event_time=at(hours), node_id=where, **(known | values))


def stated(
    arrival: float, said: float, where: str = PORT, source: str = "oracle", **values: Any
) -> TrackingEvent:
    """An arrival that somebody expects."""
    known = {"event_id": f"eta-{said}", "classifier": Classifier.ESTIMATED}
    return told("ARRIVED", where, arrival, source=source, updated_time=at(said), **(known | values))


def on_the_way(share: float) -> tuple[float, float]:
    """A place between the terminal and the port."""
    one, other = node(TERMINAL), node(PORT)
    assert one is not None
    assert other is not None
    return (
        one.latitude + share * (other.latitude - one.latitude),
        one.longitude + share * (other.longitude - one.longitude),
    )


def position(hours: float, share: float | None = None, **values: Any) -> TrackingEvent:
    """Where the train is; by default where the timetable has it."""
    latitude, longitude = on_the_way(hours / 46 if share is None else share)
    known: dict[str, Any] = {
        "source": "lock",
        "event_type": EventType.IOT,
        "event_id": f"ping-{hours}",
        "code": "BREADCRUMB",
    }
    if "run_id" not in values:
        known["unit_id"] = "U"
    return TrackingEvent(
        event_time=at(hours),
        mode=Mode.RAIL,
        latitude=latitude,
        longitude=longitude,
        **(known | values),
    )


class Told:
    """One unit, and all that was said of it."""

    def __init__(self, estimator: Estimator = NAIVE) -> None:
        self.unit = Unit("U")
        self.out: list[Output] = []
        self.estimator = estimator
        self.clock = BEGINNING

    def take(self, *messages: Itinerary | TrackingEvent) -> Verdict:
        """Takes messages, and tells what became of the last."""
        verdict = Verdict.NO_MILESTONE
        for message in messages:
            if isinstance(message, Itinerary):
                verdict = apply_itinerary(
                    self.unit, message, self.out, clock=self.clock, estimator=self.estimator
                )
            elif is_report(message):
                verdict = apply_report(
                    self.unit, message, self.out, clock=self.clock, estimator=self.estimator
                )
            else:
                verdict = apply_event(self.unit, message, self.out, estimator=self.estimator)
        return verdict

    def wait(self, hours: float) -> None:
        """Lets time pass."""
        self.clock = max(self.clock, at(hours))
        advance(self.unit, self.clock, 0, self.out, self.estimator)

    def estimates(self, sequence: int = 1) -> list[LegEstimate]:
        return [o for o in self.out if isinstance(o, LegEstimate) and o.sequence == sequence]

    def last(self, sequence: int = 1) -> LegEstimate:
        return self.estimates(sequence)[-1]

    def outcomes(self) -> list[LegOutcome]:
        return [o for o in self.out if isinstance(o, LegOutcome)]

    def lessons(self, what: What) -> list[Lesson]:
        return [o for o in self.out if isinstance(o, Lesson) and o.what is what]


# what has been learned ---------------------------------------------------------------------------


def lesson(what: What, leg: Leg, day: int, hours: float, **values: Any) -> Lesson:
    """Of the run that leaves `day` days after the one that is planned; at so many hours of it."""
    shift = 1440.0 * day
    cutoff = None if leg.cutoff is None else minutes(leg.cutoff) + shift
    known: dict[str, Any] = {
        "run": f"RUN{leg.sequence}.{day} {leg.leg_id}",
        "planned_departure": minutes(leg.planned_departure) + shift,
        "planned_arrival": minutes(leg.planned_arrival) + shift,
        "at": minutes(leg.planned_departure) + shift + 60 * hours,
        "cutoff": cutoff,
    }
    return Lesson(
        what=what,
        mode=leg.mode,
        leg_id=leg.leg_id,
        from_node=leg.from_node,
        to_node=leg.to_node,
        service_id=leg.service_id,
        carrier_id=leg.carrier_id,
        **(known | values),
    )


def run(leg: Leg, day: int, departs: float, arrives: float, **values: Any) -> list[Lesson]:
    """What a run teaches that leaves and arrives so many minutes late; `values`: at its arrival."""
    hours = (leg.planned_arrival - leg.planned_departure) / HOUR
    left = lesson(What.DEPARTED, leg, day, departs / 60)
    come = lesson(What.ARRIVED, leg, day, hours + arrives / 60)
    return [
        lesson(What.EXPECTED, leg, day, -24),
        lesson(What.EXPECTED, leg, day, -0.5),
        replaced(left, time=left.at, delay=departs),
        replaced(come, time=come.at, **values),
    ]


def replaced(lesson: Lesson, **values: Any) -> Lesson:
    return Lesson(**({name: getattr(lesson, name) for name in Lesson.__struct_fields__} | values))


def stay(before: Leg, leg: Leg, day: int, arrived: float, **values: Any) -> Stay:
    """Of a unit that came so many hours after the planned arrival before."""
    gap = ((leg.cutoff or leg.planned_departure) - before.planned_arrival).total_seconds() / 60
    arrival = minutes(before.planned_arrival) + 1440.0 * day + 60 * arrived
    return Stay(
        before.mode,
        arrival,
        values.pop("run", f"RUN{before.sequence}.{day} {before.leg_id}"),
        gap=gap,
        **values,
    )


def history(runs: int = 40, seed: int = 1) -> list[Lesson]:
    """Daily runs on all three legs, in the order in which they become known."""
    dice, found = Random(seed), list[Lesson]()
    for day in range(-runs - 10, -10):
        for leg in JOURNEY:
            if leg.service_id is not None:
                found.append(lesson(What.PLANNED, leg, day, -96))
            departs = dice.expovariate(1 / 40)
            found += run(leg, day, departs, departs + dice.gauss(30, 30))
    return sorted(found, key=lambda lesson: (lesson.at, lesson.run))


def taught(lessons: Iterable[Lesson]) -> Learner:
    learner = Learner(Model())
    for one in lessons:
        learner.hear(one)
    return learner


def once(make: Callable[[], Model]) -> Callable[[], Model]:
    """Copies of a model that is made once: whoever has one may change it."""
    made: list[bytes] = []

    def copy() -> Model:
        if not made:
            made.append(make().snapshot())
        model = Model()
        model.load(made[0])
        return model

    return copy


learned = once(lambda: taught(history()).model)
"""A model that has seen two months of such runs."""
