"""The history that the cookbook is shown with: sixty shipments, broken off in the middle of it."""

from datetime import date

from bench.cookbook.answers import MOMENT
from bench.directly import Log, played, simulated
from producers.replay.record import to_micros
from producers.simulator.simulate import Parameters

PARAMETERS = Parameters("ILSTC", 60, 11, date(2026, 1, 5), 30, "harsh")


def history() -> Log:
    """Everything that was told before `MOMENT`."""
    until = to_micros(MOMENT)
    return played(record for record in simulated(PARAMETERS) if record.available < until)
