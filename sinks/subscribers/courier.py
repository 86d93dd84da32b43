"""One subscription's messages: a queue for each incident, and a few tries at a time.

A courier knows nothing of others, so an endpoint that is slow or dead delays nobody else. What it
holds is bounded: revisions that its subscriber still has to hear one by one are queued while the
subscriber answers; once a try has failed, the newest revision stands for all that came before.
"""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import structlog

from corridor.codes import AlertState, DeliveryOutcome
from corridor.identity import derived_id
from corridor.metrics import DELIVERIES, DELIVERY_SECONDS, NOTIFIED_SECONDS
from corridor.models import Delivery, Incident, Subscription
from sinks.subscribers.attempt import Attempt, Channel, Letter, pause
from sinks.subscribers.board import Board, Entry, Names, Standing
from sinks.subscribers.grouping import Told, due, told
from sinks.subscribers.ledger import Key, Ledger, Line
from sinks.subscribers.matching import meant
from sinks.subscribers.message import cloud_event, message_id
from sinks.subscribers.sight import concerns

AT_ONCE = 4
"""Tries of one subscription at a time, each of another incident; one while its endpoint fails."""
QUEUED = 2_000
"""Revisions that wait for one subscriber; beyond, the newest of each incident stands for all."""
STRIKES = 3
"""After so many failures in a row, an endpoint is left alone for a while,"""
LONGEST_REST_SECONDS = 300.0
"""at most for this."""
LONGEST_WAIT_SECONDS = 30.0

_log = structlog.get_logger("sinks.subscribers")


class Waiting(NamedTuple):
    """A revision that is to be told."""

    incident: Incident
    offset: int
    time_ms: int
    told: Told
    """What there will be to remember."""


class Lane:
    """One incident on its way to one subscriber: one message at a time, in order."""

    __slots__ = ("at", "busy", "line", "partition", "waiting")

    def __init__(self, partition: int, line: Line) -> None:
        self.partition = partition
        self.line = line
        self.waiting: deque[Waiting] = deque()
        self.busy = False
        self.at: float | None = None
        """When it is looked at next, in Unix seconds."""

    @property
    def tail(self) -> Told | None:
        """What the subscriber will have been told once nothing waits."""
        return self.waiting[-1].told if self.waiting else self.line.told


class Courier:
    """Tells one subscriber."""

    def __init__(
        self,
        subscription: Subscription,
        *,
        board: Board,
        ledger: Ledger,
        channel: Channel,
        names: Callable[[Subscription], Names],
        url: str,
        gone: Callable[[Subscription, str], Awaitable[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Tells nothing yet.

        Args:
            subscription: Whom, of what, how.
            board: What stands.
            ledger: What was told.
            channel: The way to the subscriber.
            names: Those of its party; none: there is no such party any more.
            url: Where the gateway is, for links.
            gone: Disables the subscription, for a reason.
            failed: Hears of what must not happen.
        """
        self.subscription = subscription
        self._board = board
        self._ledger = ledger
        self._channel = channel
        self._names = names
        self._url = url
        self._gone = gone
        self._failed = failed
        self._lanes: dict[str, Lane] = {}
        self._agenda: list[tuple[float, str]] = []
        self._queued = 0
        self._strikes = 0
        self._rest_until = 0.0
        self._renewals = 0
        self._woken = asyncio.Event()
        self._tries: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    # what there is to tell ---------------------------------------------------------------------

    def open(self, partition: int, incident_id: str, line: Line) -> None:
        """Takes over an incident from its line in the ledger."""
        self._lanes[incident_id] = Lane(partition, line)
        self.look(incident_id)

    def offer(self, entry: Entry) -> None:
        """Takes a new revision, which is told by itself if it is due."""
        if not self.subscription.enabled:
            return
        incident = entry.incident
        if not concerns(incident, self._names(self.subscription)):
            return
        seen = self._board.see(incident, self.subscription.party, self._names(self.subscription))
        if seen is None:
            return
        lane = self._lane(incident.incident_id, entry.partition)
        before = lane.tail
        if (
            lane.line.failures == 0
            and incident.revision > lane.line.given_up
            and (before is None or incident.revision > before.revision)
            and entry.time_ms >= self.subscription.updated_time.timestamp() * 1000
        ):
            now = datetime.now(UTC)
            news = before.revision if before and incident.late else incident.revision
            found = self._meant(seen, before)
            at = self._due(found, before, now, 0 if incident.late and not before else news)
            if found is not None and at is not None and at <= now:
                self._queue(
                    lane, Waiting(found, entry.offset, entry.time_ms, told(found, before, now))
                )
        self.look(incident.incident_id)
        self._look_at_freed(incident.incident_id)

    def _look_at_freed(self, incident_id: str) -> None:
        """What one incident explains no more may have to be told by itself."""
        standing = self._board.standing(incident_id)
        for key in () if standing is None else standing.freed:
            child = self._board.by_key(key)
            if child is not None and concerns(child.incident, self._names(self.subscription)):
                self.look(child.incident.incident_id)

    def look(self, incident_id: str) -> None:
        """Sees when there is something to tell of an incident next."""
        standing = self._board.standing(incident_id)
        lane = self._lanes.get(incident_id)
        if lane is None:
            if standing is None:
                return
            lane = self._lane(incident_id, standing.partition)
        if lane.busy:
            return  # looked at again when it is done
        at = self._next(lane, standing)
        lane.at = at
        if at is not None:
            heapq.heappush(self._agenda, (at, incident_id))
            self._woken.set()
        elif lane.line == Line():
            del self._lanes[incident_id]

    def renew(self, subscription: Subscription) -> None:
        """Takes a changed subscription; what has failed is tried again."""
        self.subscription = subscription
        self._rest_until, self._strikes = 0.0, 0
        self._renewals += 1
        for incident_id, lane in list(self._lanes.items()):
            self._drop(lane)
            lane.line = msgspec.structs.replace(lane.line, failures=0, retry_at=0.0, given_up=0)
            self.look(incident_id)

    def held(self) -> Iterator[tuple[int, int]]:
        """Partition and offset of each revision that is still to be told by itself."""
        if self._queued:
            for lane in self._lanes.values():
                if lane.waiting:
                    yield lane.partition, lane.waiting[0].offset

    def settled(self, offsets: Mapping[int, int]) -> list[tuple[str, int]]:
        """Incidents, and their partitions, that are over, with nothing left to tell of them."""
        return [
            (id, lane.partition)
            for id, lane in self._lanes.items()
            if lane.at is None
            and not lane.busy
            and not lane.waiting
            and (lane.line.told is None or lane.line.told.over)
            and lane.line.offset < offsets.get(lane.partition, -1)
            and self._is_over(id)
        ]

    def _is_over(self, incident_id: str) -> bool:
        standing = self._board.standing(incident_id)
        return standing is None or standing.incident.state is AlertState.RESOLVED

    def told(self) -> list[tuple[str, int]]:
        """Incidents, and their partitions, that have a line in the ledger."""
        return [(id, lane.partition) for id, lane in self._lanes.items() if lane.line != Line()]

    def forget(self, incident_id: str) -> None:
        """Drops an incident that is settled."""
        self._lanes.pop(incident_id, None)

    @property
    def waiting(self) -> int:
        """Incidents of which there is something to tell."""
        return sum(lane.at is not None or lane.busy for lane in self._lanes.values())

    def _lane(self, incident_id: str, partition: int) -> Lane:
        lane = self._lanes.get(incident_id)
        if lane is None:
            lane = self._lanes[incident_id] = Lane(partition, Line())
        return lane

    def _queue(self, lane: Lane, waiting: Waiting) -> None:
        if self._queued >= QUEUED:
            for other in self._lanes.values():
                self._drop(other)
        lane.waiting.append(waiting)
        self._queued += 1

    def _drop(self, lane: Lane) -> None:
        self._queued -= len(lane.waiting)
        lane.waiting.clear()

    def _meant(self, seen: Incident | None, before: Told | None) -> Incident | None:
        if seen is None:
            return None
        stands = before is not None and not before.over
        return meant(self.subscription, seen, told=stands)

    def _view(self, standing: Standing, before: Told | None) -> Incident | None:
        names = self._names(self.subscription)
        return self._meant(self._board.view(standing, self.subscription.party, names), before)

    def _due(
        self, incident: Incident | None, before: Told | None, now: datetime, news: int
    ) -> datetime | None:
        explained = False
        if incident is not None and incident.parent is not None:
            names = self._names(self.subscription)
            parent = self._board.explaining(incident, self.subscription.party, names)
            explained = parent is not None and self._meant(parent, None) is not None
        return due(self.subscription, incident, before, now, news=news, explained=explained)

    def _next(self, lane: Lane, standing: Standing | None) -> float | None:
        """When the lane is to be looked at, in Unix seconds."""
        if not self.subscription.enabled:
            return None
        if lane.waiting:
            return time.time()
        if standing is None or standing.incident.revision <= lane.line.given_up:
            return None
        found = self._view(standing, lane.line.told)
        at = self._due(found, lane.line.told, datetime.now(UTC), standing.news)
        return None if at is None else max(at.timestamp(), lane.line.retry_at)

    # telling it --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to tell."""
        self._loop = asyncio.create_task(
            self._run(), name=f"courier {self.subscription.subscription_id}"
        )

    async def stop(self, seconds: float) -> None:
        """Lets what is under way finish for so long; the rest is tried again by who comes next."""
        if self._loop is not None:
            self._loop.cancel()
        if self._tries:
            await asyncio.wait(self._tries, timeout=seconds)
        left = [*self._tries, *([self._loop] if self._loop else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while True:
                self._woken.clear()
                wait = self._begin_due()
                # not `wait_for`: in Python 3.11 it loses a cancellation that meets a wake-up
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._woken.wait()
        except Exception as error:
            self._failed(error)

    def _begin_due(self) -> float:
        """Begins what is due, as far as there is room; seconds until there is more."""
        now = time.time()
        while self._agenda:
            at, incident_id = self._agenda[0]
            lane = self._lanes.get(incident_id)
            if lane is None or lane.busy or lane.at != at:
                heapq.heappop(self._agenda)  # looked at again since
                continue
            if len(self._tries) >= (1 if self._strikes else AT_ONCE):
                return LONGEST_WAIT_SECONDS
            if (later := max(at, self._rest_until) - now) > 0:
                return min(later, LONGEST_WAIT_SECONDS)
            heapq.heappop(self._agenda)
            self._begin(incident_id, lane)
        return LONGEST_WAIT_SECONDS

    def _begin(self, incident_id: str, lane: Lane) -> None:
        lane.busy = True
        task = asyncio.create_task(self._tell(incident_id, lane))
        self._tries.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tries.discard(task)
            lane.busy = False
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failed(error)
            elif self._lanes.get(incident_id) is lane:
                self.look(incident_id)
            self._woken.set()

        task.add_done_callback(done)

    def _choose(self, incident_id: str, lane: Lane) -> Waiting | None:
        """What is told now: the revision that waits, or the newest."""
        if lane.waiting:
            return lane.waiting[0]
        standing = self._board.standing(incident_id)
        if standing is None or standing.incident.revision <= lane.line.given_up:
            return None
        now = datetime.now(UTC)
        found = self._view(standing, lane.line.told)
        at = self._due(found, lane.line.told, now, standing.news)
        if found is None or at is None or at > now:
            return None
        entries = self._board.revisions(incident_id)
        offset, time_ms = (entries[-1].offset, entries[-1].time_ms) if entries else (-1, 0)
        return Waiting(found, offset, time_ms, told(found, lane.line.told, now))

    async def _tell(self, incident_id: str, lane: Lane) -> None:
        chosen = self._choose(incident_id, lane)
        if chosen is None:
            return
        subscription, renewals = self.subscription, self._renewals
        letter = self.letter(chosen.incident, chosen.told.reminder)
        started, clock = datetime.now(UTC), time.monotonic()
        attempt = await self._channel.send(subscription, letter)
        seconds = time.monotonic() - clock
        line, attempt, retry_at = self._line(lane, chosen, attempt)
        delivery = Delivery(
            delivery_id=derived_id(letter.message_id, str(lane.line.failures + 1)),
            message_id=letter.message_id,
            subscription_id=subscription.subscription_id,
            party=subscription.party,
            incident_id=incident_id,
            revision=chosen.incident.revision,
            channel=subscription.channel.type,
            attempt=lane.line.failures + 1,
            outcome=attempt.outcome,
            status_code=attempt.status_code,
            detail=attempt.detail,
            started_time=started,
            duration_seconds=seconds,
            next_attempt_time=None if retry_at is None else datetime.fromtimestamp(retry_at, UTC),
        )
        self._observe(delivery, chosen)
        key = Key(subscription.subscription_id, incident_id)
        await asyncio.gather(
            self._ledger.write(lane.partition, key, line), self._ledger.log(delivery)
        )
        if attempt.outcome is not DeliveryOutcome.DELIVERED and renewals != self._renewals:
            self._drop(lane)
            return  # changed in the meantime: it is tried at once as it is wanted now
        self._settle(lane, chosen, line, attempt)
        if attempt.outcome is DeliveryOutcome.DISABLED:
            await self._gone(subscription, attempt.detail)

    def letter(self, incident: Incident, reminder: int = 0) -> Letter:
        """The message that tells of a revision."""
        id = message_id(
            self.subscription.subscription_id, incident.incident_id, incident.revision, reminder
        )
        return Letter(id, incident, cloud_event(incident, self._url, reminder=reminder))

    def _line(
        self, lane: Lane, chosen: Waiting, attempt: Attempt
    ) -> tuple[Line, Attempt, float | None]:
        """What the ledger will say, what became of the try, and when there is another."""
        if attempt.outcome is DeliveryOutcome.DELIVERED:
            return Line(told=chosen.told, offset=chosen.offset), attempt, None
        failures = lane.line.failures + 1
        if attempt.outcome is DeliveryOutcome.RETRYING:
            seconds = pause(failures, attempt.retry_after)
            if seconds is not None:
                at = time.time() + seconds
                return (
                    msgspec.structs.replace(lane.line, failures=failures, retry_at=at),
                    attempt,
                    at,
                )
            attempt = attempt._replace(outcome=DeliveryOutcome.FAILED)
        line = msgspec.structs.replace(
            lane.line, failures=0, retry_at=0.0, given_up=chosen.incident.revision
        )
        return line, attempt, None

    def _settle(self, lane: Lane, chosen: Waiting, line: Line, attempt: Attempt) -> None:
        lane.line = line
        if attempt.outcome is DeliveryOutcome.DELIVERED:
            if lane.waiting and lane.waiting[0] is chosen:
                lane.waiting.popleft()
                self._queued -= 1
            if self._strikes:
                self._recovered()
            return
        self._drop(lane)  # from here on, the newest stands for all
        self._strikes += 1
        rest = 0.0
        if self._strikes >= STRIKES:
            rest = min(2.0 ** (self._strikes - STRIKES), LONGEST_REST_SECONDS)
            rest *= random.uniform(0.8, 1.2)
        self._rest_until = time.time() + max(rest, attempt.retry_after or 0.0)

    def _recovered(self) -> None:
        """An endpoint that answers again gets at once what waits for it."""
        self._strikes, self._rest_until = 0, 0.0
        for incident_id, lane in self._lanes.items():
            if lane.line.failures and not lane.busy:
                lane.line = msgspec.structs.replace(lane.line, retry_at=0.0)
                lane.at = time.time()
                heapq.heappush(self._agenda, (lane.at, incident_id))
        self._woken.set()

    def _observe(self, delivery: Delivery, chosen: Waiting) -> None:
        DELIVERIES.labels(delivery.channel, delivery.outcome).inc()
        DELIVERY_SECONDS.labels(delivery.channel).observe(delivery.duration_seconds)
        if delivery.outcome is DeliveryOutcome.DELIVERED and not delivery.attempt > 1:
            since = max(0.0, time.time() - chosen.time_ms / 1000)
            NOTIFIED_SECONDS.labels(delivery.channel).observe(since)
        elif delivery.outcome is not DeliveryOutcome.DELIVERED:
            _log.info(
                "not delivered",
                subscription=delivery.subscription_id,
                outcome=str(delivery.outcome),
                attempt=delivery.attempt,
                detail=delivery.detail,
            )
