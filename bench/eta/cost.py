"""What it costs: time of a message and of a prediction, bytes of a unit and of a model."""

import time
from collections.abc import Callable
from typing import Any, Self

from bench.eta.play import Played
from corridor.eta.figures import Figures


class Timer:
    """Counts the calls of a function and the time that they take."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.calls = 0
        self.seconds = 0.0

    @classmethod
    def of(cls, instance: object, method: str) -> Self:
        """Puts itself before a method of one instance."""
        timer = cls(getattr(instance, method))
        setattr(instance, method, timer)
        return timer

    def __call__(self, *values: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._function(*values, **named)
        finally:
            self.seconds += time.perf_counter() - began
            self.calls += 1


def costs(predictions: Timer, played: Played) -> Figures:
    """Of a history that was just played, in whose course predictions were timed."""
    rehearsal = played.evaluation.rehearsal
    units = rehearsal._state.units
    units.drain()
    sizes = [len(raw) for raws in units.raws for raw in raws.values()]
    began = time.perf_counter()
    snapshot = rehearsal.model.snapshot()
    seconds = time.perf_counter() - began
    events = played.report["events"]
    return {
        "events": events,
        "microseconds_per_event": 1e6 * played.report["seconds"] / events,
        "predictions": predictions.calls,
        "microseconds_per_prediction": _ratio(1e6 * predictions.seconds, predictions.calls),
        "units": len(sizes),
        "bytes_per_unit": _ratio(sum(sizes), len(sizes)),
        "model_bytes": len(snapshot),
        "snapshot_seconds": seconds,
    }


def _ratio(total: float, count: int) -> float | None:
    return total / count if count else None
