"""One timer per unit, on any clock."""

import heapq
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Any)


class Timers(Generic[T]):
    """The next time of each unit; a moved timer leaves its old heap entry behind, to be skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[T, str]] = []
        self._times: dict[str, T] = {}

    def set(self, unit_id: str, time: T | None) -> None:
        """Sets, moves or (None) takes back the timer of a unit."""
        if time is None:
            self._times.pop(unit_id, None)
        elif self._times.get(unit_id) != time:
            self._times[unit_id] = time
            heapq.heappush(self._heap, (time, unit_id))

    def due(self, now: T) -> Iterator[str]:
        """Units whose time is before `now`, in order of time; their timers are gone."""
        heap = self._heap
        while heap and heap[0][0] < now:
            time, unit_id = heapq.heappop(heap)
            if self._times.get(unit_id) == time:
                del self._times[unit_id]
                yield unit_id
