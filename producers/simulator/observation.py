"""Who says what: the parties of a corridor, each with its own habits.

The world tells everything here as it truly was. What leaves is what its parties say of it.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from corridor.codes import Mode
from producers.simulator.chance import HOUR, Chance
from producers.simulator.lanes import Lane, Place
from producers.simulator.noise import Level, messages
from producers.simulator.services import Run
from producers.simulator.shipments import Journey, Shipment
from producers.simulator.statements import Attribute, Listener, Statement, text
from producers.simulator.truth import Truth

OPERATOR = "CORRIDOR-MTO"
LOCKS = "E-LOCK"
AIS = "AIS"

DELAYS: dict[str, float] = {
    # median minutes in which a kind of party tells
    "carrier": 18,
    "terminal": 9,
    "customs": 25,
    "device": 1,
    "operator": 6,
}

REASONS: dict[str, tuple[str, ...]] = {
    # SMDG delay reasons that a carrier would give for a true cause
    "WEATHER": ("WEA",),
    "BREAKDOWN": ("ENG",),
    "BERTH": ("CGS", "PBC"),
    "BORDER_QUEUE": ("ANA", "PTF"),
    "LOCK_QUEUE": ("PTF",),
    "REGIME": ("PTF", "ANA"),
    "CUSTOMS_INSPECTION": ("CIN",),
}
REASON_TOLD = 0.7
REASON_WRONG = 0.1
_OTHER_REASONS = ("LAB", "YRD", "OTV", "DIN")

PER_UNIT = frozenset({Mode.AIR, Mode.TRUCK})
"""Modes whose carriers speak of units, each with its run; the others speak of runs."""
PING_HOURS: dict[Mode, float] = {
    Mode.RAIL: 2,
    Mode.TRUCK: 1,
    Mode.VESSEL: 4,
    Mode.BARGE: 3,
}
AIS_HOURS = 2
TAMPERED = 0.004
"""Share of legs on which somebody cuts a lock."""
RUNS_LOW = 0.02
"""Share of legs on which a lock's battery runs low."""
ESTIMATES_AT = (0.0, 0.25, 0.5, 0.75, 0.9)
"""Fractions of the way at which carriers say when they expect to arrive."""
OPTIMISM = 0.6
"""How much of the delay that it has already a carrier admits to."""


@dataclass(frozen=True)
class Bias:
    """How one carrier's estimates are off."""

    early_hours: float
    sigma: float


class Observer:
    """Turns what happens into what is said."""

    def __init__(
        self,
        chance: Chance,
        level: Level,
        loss: float,
        ping_factor: float,
        listener: Listener,
        truth: Truth,
    ) -> None:
        """Listens to one world.

        Args:
            chance: All streams.
            level: How noisy it is.
            loss: Share of statements that nobody hears.
            ping_factor: Times the usual time between two positions; 0: none at all.
            listener: Where the messages go.
            truth: Where it is written what was lost or spoiled on the way.
        """
        self._chance = chance
        self._level = level
        self._loss = loss
        self._ping_factor = ping_factor
        self._listener = listener
        self._truth = truth
        self._rngs: dict[tuple[str, str], Random] = {}
        self._biases: dict[str, Bias] = {}

    # --- documents

    def itinerary(self, journey: Journey, time: float, left: float | None = None) -> None:
        """A new version of a plan; `left`: when the run that it gives up will leave."""
        shipment = journey.shipment
        available = time + DELAYS["operator"] * 60
        rng = self._rng(journey.unit_id)
        chance, late = rng.random(), rng.uniform(0.2, 10) * HOUR
        if left is not None and chance < self._level.late_plan:
            available = max(available, left + late)
        legs = [
            _leg(sequence, lane, run)
            for sequence, (lane, run) in enumerate(
                zip(journey.lanes, journey.runs, strict=True), start=1
            )
        ]
        self._listener.receives(
            available,
            OPERATOR,
            {
                "schema_version": 1,
                "unit_id": journey.unit_id,
                "shipment_id": shipment.shipment_id,
                "corridor_id": shipment.corridor_id,
                "version": journey.version,
                "issued_time": text(time),
                "parties": shipment.parties,
                "legs": legs,
            },
        )

    def document(self, shipment: Shipment, code: str, time: float) -> None:
        """Something happens to the one bill of a shipment; it names no unit."""
        self._say(
            "operator",
            shipment.shipment_id,
            Statement(
                f"{code}/{shipment.shipment_id}",
                OPERATOR,
                "SHIPMENT",
                code,
                time,
                shipment_id=shipment.shipment_id,
            ),
        )

    # --- runs

    def departed(self, run: Run) -> None:
        """A run left."""
        assert run.departed is not None
        self._of_run(run, "DEPARTED", run.departed, run.lane.origin, self._reasons(run))

    def arrived(self, run: Run) -> None:
        """A run arrived, and all that was said on its way."""
        assert run.arrived is not None
        self._estimates(run, run.arrived)
        self._positions(run, run.arrived)
        self._of_run(run, "ARRIVED", run.arrived, run.lane.target, self._reasons(run))

    def diverted(self, run: Run, place: Place | None = None) -> None:
        """A run goes elsewhere."""
        assert run.diverted is not None
        self._estimates(run, run.diverted)
        self._positions(run, run.diverted)
        self._of_run(run, "DIVERTED", run.diverted, None, self._reasons(run))

    def cancelled(self, run: Run, time: float) -> None:
        """A run will not go."""
        self._of_run(run, "CANCELLED", time, run.lane.origin, ())

    def passing(self, run: Run, code: str, time: float, place: Place) -> None:
        """What else a run does at a place: its queue, its change of gauge."""
        self._run_level(run, code, time, place, ())

    def _of_run(
        self, run: Run, code: str, time: float, place: Place | None, reasons: tuple[str, ...]
    ) -> None:
        if run.lane.mode not in PER_UNIT or code == "CANCELLED":
            self._run_level(run, code, time, place, reasons)
            return
        for journey in run.aboard:
            self._say(
                "carrier",
                journey.unit_id,
                Statement(
                    f"{code}/{run.run_id}/{journey.unit_id}",
                    run.service.carrier_id,
                    "TRANSPORT",
                    code,
                    time,
                    unit_id=journey.unit_id,
                    run_id=run.run_id,
                    shipment_id=journey.shipment.shipment_id,
                    mode=run.lane.mode,
                    node_id=place.node_id if place else None,
                    reasons=reasons,
                    facts=_ends(journey) | _facts(run),
                ),
            )

    def _run_level(
        self, run: Run, code: str, time: float, place: Place | None, reasons: tuple[str, ...]
    ) -> None:
        self._say(
            "carrier",
            run.run_id,
            Statement(
                f"{code}/{run.run_id}/{place.node_id if place else run.lane.leg_id}",
                run.service.carrier_id,
                "TRANSPORT",
                code,
                time,
                run_id=run.run_id,
                mode=run.lane.mode,
                node_id=place.node_id if place else None,
                reasons=reasons,
                facts=_facts(run),
            ),
        )

    def _reasons(self, run: Run) -> tuple[str, ...]:
        rng = self._rng(run.run_id)
        told, wrong, choice = rng.random(), rng.random(), rng.random()
        if not run.costs or told > REASON_TOLD:
            return ()
        worst = max(run.costs, key=run.costs.__getitem__)
        reasons = REASONS.get(worst.partition("/")[0], _OTHER_REASONS)
        if wrong < REASON_WRONG:
            reasons = _OTHER_REASONS
        return (reasons[int(choice * len(reasons))],)

    def _estimates(self, run: Run, until: float) -> None:
        """What the carrier expected on the way: late to admit a delay, and too hopeful."""
        assert run.trip is not None
        carrier = run.service.carrier_id
        bias = self._biases.get(carrier)
        if bias is None:
            rng = self._chance.stream("bias", carrier)
            bias = Bias(rng.uniform(-0.06, 0.01), rng.uniform(0.02, 0.08))
            self._biases[carrier] = bias
        rng = self._rng(run.run_id)
        whole = run.service.duration
        for number, fraction in enumerate(ESTIMATES_AT):
            made = run.trip.time_at(fraction) + 600
            if made >= until:
                break
            left = (1 - fraction) * whole
            late = max(0.0, made - (run.scheduled + fraction * whole))
            expected = run.scheduled + whole + OPTIMISM * late
            off = (bias.early_hours + rng.gauss(0, bias.sigma)) * left
            expected = max(expected + off, made + 600)
            self._say(
                "carrier",
                run.run_id,
                Statement(
                    f"EXPECTED/{run.run_id}/{run.lane.target.node_id}/{number}",
                    carrier,
                    "TRANSPORT",
                    "ARRIVED",
                    expected,
                    "ESTIMATED",
                    run_id=run.run_id,
                    mode=run.lane.mode,
                    node_id=run.lane.target.node_id,
                    reasons=self._reasons(run) if late > HOUR else (),
                    facts=_facts(run),
                ),
                made=made,
            )

    # --- units

    def moved(
        self, journey: Journey, code: str, time: float, place: Place, run: Run | None
    ) -> None:
        """A terminal handled a unit."""
        self._say(
            "terminal",
            journey.unit_id,
            Statement(
                f"{code}/{journey.shipment.shipment_id}/{journey.unit_id}/{place.node_id}",
                f"{place.node_id}-TERMINAL",
                "EQUIPMENT",
                code,
                time,
                unit_id=journey.unit_id,
                run_id=run.run_id if run else None,
                shipment_id=journey.shipment.shipment_id,
                mode=run.lane.mode if run else None,
                node_id=place.node_id,
                facts=_ends(journey) | (_facts(run) if run else {}),
            ),
        )

    def customs(self, journey: Journey, code: str, time: float, place: Place) -> None:
        """Customs decided about a unit."""
        self._say(
            "customs",
            journey.unit_id,
            Statement(
                f"{code}/{journey.shipment.shipment_id}/{journey.unit_id}/{place.node_id}",
                f"CUSTOMS-{place.country}",
                "CUSTOMS",
                code,
                time,
                unit_id=journey.unit_id,
                shipment_id=journey.shipment.shipment_id,
                node_id=place.node_id,
            ),
        )

    def lock(
        self,
        journey: Journey,
        code: str,
        time: float,
        position: tuple[float, float],
        **attributes: Attribute,
    ) -> None:
        """A lock says what happens to it."""
        if not journey.equipped:
            return
        latitude, longitude = position
        self._say(
            "device",
            journey.unit_id,
            Statement(
                f"{code}/{journey.unit_id}/{round(time)}",
                LOCKS,
                "IOT",
                code,
                time,
                unit_id=journey.unit_id,
                latitude=round(latitude, 5),
                longitude=round(longitude, 5),
                attributes=attributes,
            ),
        )

    # --- positions

    def _positions(self, run: Run, until: float) -> None:
        assert run.departed is not None
        lane = run.lane
        if self._ping_factor == 0 or lane.mode is Mode.AIR:
            return
        if lane.mode in (Mode.VESSEL, Mode.BARGE):
            self._crumbs(run, until, AIS_HOURS, run.run_id, AIS, run_id=run.run_id, mode=lane.mode)
        for journey in run.aboard:
            if not journey.equipped:
                continue
            name, silence = f"{journey.unit_id}/{run.run_id}", None
            rng = self._rng(journey.unit_id)
            self._lock_troubles(journey, run, until)
            falls, begins, share = rng.random(), rng.uniform(0, 0.7), rng.uniform(0.15, 0.5)
            if falls < self._level.silence:
                whole = until - run.departed
                silence = (run.departed + begins * whole, run.departed + (begins + share) * whole)
                self._truth.silence(journey, run, *silence)
            self._crumbs(
                run,
                until,
                PING_HOURS[lane.mode],
                name,
                LOCKS,
                silence=silence,
                unit_id=journey.unit_id,
            )

    def _lock_troubles(self, journey: Journey, run: Run, until: float) -> None:
        """Now and then a lock is cut, or its battery runs low."""
        assert run.departed is not None
        assert run.trip is not None
        rng = self._rng(journey.unit_id)
        for code, share, battery in (("TAMPER", TAMPERED, 70), ("LOW_BATTERY", RUNS_LOW, 9)):
            happens, when = rng.random(), rng.uniform(run.departed, until)
            if happens < share:
                where = run.lane.position(run.trip.fraction_at(when))
                self.lock(journey, code, when, where, battery=battery)
                if code == "TAMPER":
                    self._truth.tampered(journey, run, when)

    def _crumbs(
        self,
        run: Run,
        until: float,
        hours: float,
        name: str,
        party: str,
        silence: tuple[float, float] | None = None,
        **of: Any,
    ) -> None:
        assert run.departed is not None
        assert run.trip is not None
        rng = self._rng(name.partition("/")[0])
        step = hours * self._ping_factor * HOUR
        time = run.departed + rng.random() * step
        lane, trip = run.lane, run.trip
        while time < until:
            if silence is None or not silence[0] <= time < silence[1]:
                latitude, longitude = lane.position(trip.fraction_at(time))
                moves = trip.fraction_at(time + 60) > trip.fraction_at(time)
                self._say(
                    "device",
                    of.get("unit_id") or run.run_id,
                    Statement(
                        f"AT/{name}/{round(time)}",
                        party,
                        "IOT",
                        "BREADCRUMB",
                        time,
                        # a receiver is some tens of metres off
                        latitude=round(latitude + rng.gauss(0, 0.0003), 5),
                        longitude=round(longitude + rng.gauss(0, 0.0003), 5),
                        attributes={"moving": moves},
                        facts=_facts(run),
                        **of,
                    ),
                )
            time += step

    # --- saying

    def _rng(self, subject: str, purpose: str = "seen") -> Random:
        """What is seen of a subject, and what is made of that on the way, are apart."""
        rng = self._rngs.get((subject, purpose))
        if rng is None:
            rng = self._rngs[subject, purpose] = self._chance.stream(purpose, subject)
        return rng

    def forget(self, subject: str) -> None:
        """Nothing more will be said of it."""
        for purpose in ("seen", "told"):
            self._rngs.pop((subject, purpose), None)

    def _say(
        self, kind: str, subject: str, statement: Statement, made: float | None = None
    ) -> None:
        delay = DELAYS[kind] * 60
        rng = self._rng(subject, "told")
        # an estimate is told when it is made, not when it comes true
        truth = statement if made is None else statement.but(time=made)
        for told in messages(self._level, self._loss, truth, delay, rng):
            said = told.statement
            if made is not None:
                said = said.but(time=said.time - made + statement.time)
            if told.fault is not None:
                self._truth.spoiled(said, told.available, told.fault)
            self._listener.hears(told.available, said)


def _leg(sequence: int, lane: Lane, run: Run) -> dict[str, Any]:
    leg: dict[str, Any] = {
        "leg_id": lane.leg_id,
        "sequence": sequence,
        "mode": lane.mode,
        "from_node": lane.origin.node_id,
        "to_node": lane.target.node_id,
        "run_id": run.run_id,
        "service_id": run.service.service_id,
        "carrier_id": run.service.carrier_id,
        "planned_departure": text(run.planned_departure),
        "planned_arrival": text(run.planned_arrival),
    }
    if run.service.offsets:
        leg["cutoff"] = text(run.cutoff)
    return leg


def _facts(run: Run) -> dict[str, Attribute]:
    return {
        "service": run.service.service_id,
        "scheduled": run.scheduled,
        "due": run.planned_arrival,
        "from": run.lane.origin.node_id,
        "to": run.lane.target.node_id,
        **run.conveyance,
    }


def _ends(journey: Journey) -> dict[str, Attribute]:
    lanes = journey.lanes
    return {"origin": lanes[0].origin.node_id, "destination": lanes[-1].target.node_id}
