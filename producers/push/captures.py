"""EPCIS capture jobs: what became of a capture, for whoever asks later.

A capture is done before it is answered, so a job never runs. The latest are remembered, in memory;
one that is not known any more, or was another gateway's, is said to be unknown, not to have failed.
"""

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from corridor.decoding import Rejected

REMEMBERED = 10_000
ERRORS_REMEMBERED = 100
"""Of one job."""

Behaviour = Literal["rollback", "proceed"]


class Job(NamedTuple):
    """One capture."""

    id: str
    party: str
    behaviour: Behaviour
    created: datetime
    finished: datetime
    errors: tuple[Rejected, ...]

    def to_json(self) -> dict[str, Any]:
        """The job as EPCIS 2.0 has it (12.6.1)."""
        return {
            "captureID": self.id,
            "createdAt": _text(self.created),
            "finishedAt": _text(self.finished),
            "running": False,
            "success": not self.errors,
            "captureErrorBehaviour": self.behaviour,
            "errors": [epcis_error(error) for error in self.errors],
        }


class Captures:
    """The latest jobs."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def add(
        self,
        party: str,
        behaviour: Behaviour,
        created: datetime,
        finished: datetime,
        errors: Sequence[Rejected],
    ) -> Job:
        """Remembers a capture that is done."""
        kept = tuple(errors[:ERRORS_REMEMBERED])
        job = Job(uuid.uuid4().hex, party, behaviour, created, finished, kept)
        self._jobs[job.id] = job
        if len(self._jobs) > self._remembered:
            self._jobs.popitem(last=False)
        return job

    def find(self, id: str, party: str) -> Job | None:
        """A party's job."""
        job = self._jobs.get(id)
        return job if job is not None and job.party == party else None

    def of(self, party: str) -> list[Job]:
        """A party's jobs, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.party == party]


def epcis_error(error: Rejected) -> dict[str, Any]:
    """One fault as EPCIS 2.0 says it: a problem (RFC 9457)."""
    where = f"{error.field}: " if error.field else ""
    return {
        "type": "epcisException:ValidationException",
        "title": str(error.reason),
        "detail": where + error.detail,
    }


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
