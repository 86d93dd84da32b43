"""What really happened, row by row: `docs/simulator.md` describes each kind of row."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from corridor.codes import Reject
from producers.simulator.causes import Causes
from producers.simulator.services import Run
from producers.simulator.shipments import Journey
from producers.simulator.statements import Statement, text

ORACLE = ("p05", "p25", "p50", "p75", "p95", "mean")
"""What a run's `oracle` holds."""


class Truth:
    """Writes rows as soon as they are true for good."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """Args: write: takes one line, with its end."""
        self._write = write
        self.rows: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()

    def simulation(self, **parameters: Any) -> None:
        """The first row: what was simulated."""
        self._row("simulation", parameters)

    def run(self, run: Run) -> None:
        """A run that went, or was to go."""
        row: dict[str, Any] = {
            "run_id": run.run_id,
            "leg_id": run.lane.leg_id,
            "service_id": run.service.service_id,
            "mode": run.lane.mode,
            "scheduled": text(run.scheduled),
            "planned_departure": text(run.planned_departure),
            "planned_arrival": text(run.planned_arrival),
            "actual_departure": _maybe(run.departed),
            "actual_arrival": _maybe(run.arrived),
            "ending": run.ending,
            "capacity": run.capacity,
            "units": [journey.unit_id for journey in run.aboard],
            "causes": _costs(run.costs),
        }
        if run.oracle:
            row["oracle"] = dict(zip(ORACLE, map(text, run.oracle), strict=True))
        self._row("run", row)

    def unit_leg(self, journey: Journey, index: int, ending: str | None, causes: Causes) -> None:
        """One unit's leg that has ended, or will never be."""
        run, lane = journey.runs[index], journey.lanes[index]
        went = ending not in (None, "CANCELLED")
        costs = dict(run.costs) if went else {}
        for cause_id in journey.ledger:
            own = causes[cause_id].units.get((journey.unit_id, lane.leg_id))
            if own:
                costs[cause_id] = costs.get(cause_id, 0) + own
        self.endings[ending or "NOT_BEGUN"] += 1
        self._row(
            "unit_leg",
            {
                "unit_id": journey.unit_id,
                "shipment_id": journey.shipment.shipment_id,
                "leg_id": lane.leg_id,
                "sequence": index + 1,
                "run_id": run.run_id,
                "first_planned_departure": text(journey.first_departures[index]),
                "first_planned_arrival": text(journey.first_arrivals[index]),
                "planned_departure": text(run.planned_departure),
                "planned_arrival": text(run.planned_arrival),
                "actual_departure": _maybe(run.departed) if went else None,
                "actual_arrival": _maybe(run.arrived) if went else None,
                "ending": ending,
                "causes": _costs(costs),
                "inherited": _costs(journey.ledger),
            },
        )

    def connection(
        self,
        journey: Journey,
        index: int,
        run: Run,
        ready: float | None,
        made: bool,
        decided: float,
    ) -> None:
        """Whether a unit was there at the cut-off of the run that it was booked on."""
        self._row(
            "connection",
            {
                "unit_id": journey.unit_id,
                "shipment_id": journey.shipment.shipment_id,
                "leg_id": run.lane.leg_id,
                "sequence": index + 1,
                "run_id": run.run_id,
                "cutoff": text(run.cutoff),
                "ready": _maybe(ready),
                "made": made,
                "decided": text(decided),
                "cause": None if made else journey.mainly,
            },
        )

    def silence(self, journey: Journey, run: Run, begins: float, ends: float) -> None:
        """A device said nothing for a while."""
        self._row(
            "silence",
            {
                "unit_id": journey.unit_id,
                "run_id": run.run_id,
                "begins": text(begins),
                "ends": text(ends),
            },
        )

    def tampered(self, journey: Journey, run: Run, time: float) -> None:
        """Somebody cut a lock."""
        self._row(
            "tampering",
            {"unit_id": journey.unit_id, "run_id": run.run_id, "time": text(time)},
        )

    def spoiled(self, statement: Statement, available: float, reason: Reject) -> None:
        """A message that cannot be used."""
        self._row(
            "spoiled",
            {
                "source": statement.party,
                "event_id": statement.name,
                "available_time": text(available),
                "reason": reason,
            },
        )

    def causes(self, causes: Causes) -> Counter[str]:
        """All causes that delayed something; returns how many there are of each kind."""
        kinds: Counter[str] = Counter()
        needed = {cause.parent for cause in causes}
        for cause in causes:
            if not (cause.runs or cause.units or cause.cause_id in needed):
                continue
            kinds[cause.kind] += 1
            self._row(
                "cause",
                {
                    "cause_id": cause.cause_id,
                    "cause": cause.kind,
                    "where": cause.where,
                    "begins": text(cause.begins),
                    "ends": _maybe(cause.ends),
                    "parent": cause.parent,
                    "runs": [
                        {"run_id": run, "leg_id": leg, "seconds": seconds}
                        for (run, leg), seconds in cause.runs.items()
                    ],
                    "units": [
                        {"unit_id": unit, "leg_id": leg, "seconds": seconds}
                        for (unit, leg), seconds in cause.units.items()
                    ],
                },
            )
        return kinds

    def _row(self, kind: str, fields: dict[str, Any]) -> None:
        self.rows[kind] += 1
        self._write(orjson.dumps({"kind": kind, **fields}) + b"\n")


def _maybe(time: float | None) -> str | None:
    return None if time is None else text(time)


def _costs(costs: dict[str, int]) -> list[dict[str, Any]]:
    return [{"cause_id": cause, "seconds": seconds} for cause, seconds in costs.items()]
