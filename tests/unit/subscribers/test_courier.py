"""What one subscriber is told, in which order, and what that costs others: nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from corridor.codes import AlertState, Cause, DeliveryOutcome, Level
from corridor.models import Delivery, Filters, Incident, Subscription
from sinks.subscribers import courier as module
from sinks.subscribers.attempt import DELIVERED, Attempt, Letter
from sinks.subscribers.board import Board
from sinks.subscribers.courier import Courier
from sinks.subscribers.ledger import Key, Line
from tests.unit.subscribers.samples import incident, subscription, worse

REFUSES = Attempt(DeliveryOutcome.RETRYING, 500, "answered 500")


class Book:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.lines: dict[Key, Line] = {}
        self.tries: list[Delivery] = []

    async def write(self, partition: int, key: Key, line: Line | None) -> None:
        if line is None:
            self.lines.pop(key, None)
        else:
            self.lines[key] = line

    async def log(self, delivery: Delivery) -> None:
        self.tries.append(delivery)


class Ear:
    """A subscriber who can be told what to answer."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.answer: Callable[[Letter], Attempt] = lambda letter: DELIVERED
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, to: Subscription, letter: Letter) -> Attempt:
        await self.open.wait()
        self.letters.append(letter)
        return self.answer(letter)

    async def close(self) -> None: ...

    @property
    def heard(self) -> list[tuple[str, int]]:
        return [(letter.incident.subject, letter.incident.revision) for letter in self.letters]


class Scene:
    """A courier between a board and an ear."""

    def __init__(self, book: Book | None = None, **changes: Any) -> None:
        self.board = Board(1)
        self.book = book or Book()
        self.ear = Ear()
        self.gone: list[str] = []
        self.failures: list[BaseException] = []
        self._offset = 0
        self.courier = Courier(
            subscription(**changes),
            board=self.board,
            ledger=self.book,  # type: ignore[arg-type]
            channel=self.ear,
            names=lambda to: frozenset({to.party}),
            url="http://gateway",
            gone=self._end,
            failed=self.failures.append,
        )
        self.board.listeners.append(self.courier.offer)

    async def _end(self, to: Subscription, reason: str) -> None:
        self.gone.append(reason)

    def say(self, *incidents: Incident) -> None:
        now = datetime.now(UTC).timestamp() * 1000
        for one in incidents:
            self.board.take(0, self._offset, int(now), one.to_json())
            self._offset += 1

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110, what is waited for has no event
                await asyncio.sleep(0.001)
        assert not self.failures


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


def test_every_revision_worth_telling_is_told_in_order() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.ear.open.clear()
        it.say(*(worse(n) for n in range(1, 8)))
        it.say(incident(revision=8, state=AlertState.RESOLVED))
        it.ear.open.set()
        await it.until(lambda: len(it.ear.letters) >= 8)
        assert it.ear.heard == [("G1", n) for n in range(1, 9)]
        await it.courier.stop(1)

    play(scene)


def test_after_a_failure_the_newest_stands_for_all() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.ear.answer = lambda letter: REFUSES
        it.say(incident())
        await it.until(lambda: it.book.tries)
        it.ear.answer = lambda letter: DELIVERED
        it.say(*(worse(n) for n in range(2, 6)))
        it.courier.renew(it.courier.subscription)
        await it.until(lambda: it.ear.heard[1:])
        assert it.ear.heard == [("G1", 1), ("G1", 5)]
        await it.courier.stop(1)

    play(scene)


def test_each_try_of_a_message_has_the_same_id_and_its_number() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.ear.answer = lambda letter: REFUSES._replace(retry_after=0)
        it.say(incident())
        await it.until(lambda: it.book.tries)
        it.courier.renew(it.courier.subscription)
        await it.until(lambda: len(it.book.tries) == 2)
        assert len({letter.message_id for letter in it.ear.letters}) == 1
        assert it.book.tries[0].outcome is DeliveryOutcome.RETRYING
        assert it.book.tries[0].next_attempt_time is not None
        await it.courier.stop(1)

    play(scene)


def test_another_courier_goes_on_from_the_ledger_and_tells_nothing_twice() -> None:
    async def scene() -> None:
        first = Scene()
        first.courier.start()
        first.say(incident(), incident(revision=2, level=Level.CRITICAL))
        await first.until(lambda: len(first.book.tries) == 2)
        await first.courier.stop(1)
        second = Scene(first.book)
        for key, line in first.book.lines.items():
            second.courier.open(0, key.incident_id, line)
        second.courier.start()
        second.say(incident(), incident(revision=2, level=Level.CRITICAL))
        second.say(worse(3), incident("G2"))
        await second.until(lambda: len(second.ear.letters) == 2)
        assert sorted(second.ear.heard) == [("G1", 3), ("G2", 1)]
        await second.courier.stop(1)

    play(scene)


def test_a_reminder_has_an_id_of_its_own() -> None:
    async def scene() -> None:
        it = Scene(repeat_seconds=0.01)
        it.courier.start()
        it.say(incident())
        await it.until(lambda: len(it.ear.letters) >= 3)
        assert {letter.incident.revision for letter in it.ear.letters} == {1}
        ids = [letter.message_id for letter in it.ear.letters]
        assert len(set(ids)) == len(ids)
        await it.courier.stop(1)

    play(scene)


def test_what_is_switched_off_is_told_when_it_is_switched_on_as_it_stands_then() -> None:
    async def scene() -> None:
        it = Scene(enabled=False)
        it.courier.start()
        it.say(incident(), incident(revision=2, level=Level.CRITICAL), incident("G2"))
        it.say(incident("G2", 2, state=AlertState.RESOLVED))
        await asyncio.sleep(0)
        assert it.ear.letters == []
        it.courier.renew(it.courier.subscription.model_copy(update={"enabled": True}))
        for id in it.board.ids(frozenset({"acme"})):
            it.courier.look(id)
        await it.until(lambda: it.ear.letters)
        assert it.ear.heard == [("G1", 2)]
        await it.courier.stop(1)

    play(scene)


def test_an_endpoint_that_is_gone_is_reported() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.ear.answer = lambda letter: Attempt(DeliveryOutcome.DISABLED, 410, "gone")
        it.say(incident())
        await it.until(lambda: it.gone)
        assert it.book.tries[-1].outcome is DeliveryOutcome.DISABLED
        await it.courier.stop(1)

    play(scene)


def test_what_waits_is_bounded_and_the_newest_is_not_lost(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "QUEUED", 5)

    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.ear.open.clear()
        for revision in range(1, 13):
            it.say(worse(revision))
        assert len(list(it.courier.held())) <= 1
        it.ear.open.set()
        await it.until(lambda: ("G1", 12) in it.ear.heard)
        numbers = [revision for _, revision in it.ear.heard]
        assert numbers == sorted(numbers)
        await it.courier.stop(1)

    play(scene)


def test_a_revision_that_waits_holds_the_committed_offset_back() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.ear.open.clear()
        it.say(incident("G0"), incident("G1"))
        assert sorted(it.courier.held()) == [(0, 0), (0, 1)]
        it.ear.open.set()
        await it.until(lambda: len(it.book.tries) == 2)
        await it.until(lambda: not list(it.courier.held()))
        await it.courier.stop(1)

    play(scene)


def test_what_is_over_and_told_is_settled_once_its_offset_is_behind() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.say(incident())
        await it.until(lambda: it.ear.letters)
        it.say(incident(revision=2, state=AlertState.RESOLVED))
        await it.until(lambda: it.courier.settled({0: 2}))
        assert it.courier.settled({0: 1}) == []
        await it.courier.stop(1)

    play(scene)


def test_revisions_of_before_a_subscription_are_not_told_one_by_one() -> None:
    async def scene() -> None:
        it = Scene(updated_time=datetime.now(UTC) + timedelta(hours=1))
        it.say(incident(), incident(revision=2), incident(revision=3))
        it.courier.start()
        await it.until(lambda: it.ear.letters)
        assert it.ear.heard == [("G1", 3)]
        await it.courier.stop(1)

    play(scene)


def border(revision: int = 1, **changes: Any) -> Incident:
    """A border that is at fault for the delays of trains."""
    values: dict[str, Any] = {
        "incident_id": "border",
        "dedup_key": "DELAY/BORDER/CNHGS",
        "cause": Cause.BORDER,
        "units": {"acme": ["U1", "U2"]},
    }
    return incident("CNHGS", revision, **(values | changes))


def of_border(subject: str, revision: int = 1, **changes: Any) -> Incident:
    return incident(subject, revision, parent=border().dedup_key, **changes)


def test_a_border_is_told_and_its_trains_are_not_until_it_is_over() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        trains = [of_border("G1"), of_border("G2")]
        keys = tuple(train.dedup_key for train in trains)
        it.say(border(children=keys), *trains)
        await it.until(lambda: it.ear.heard)
        it.say(border(2, state=AlertState.CLEARING, children=keys))
        it.say(of_border("G3"))  # late by itself: the border is as usual again
        await it.until(lambda: it.ear.heard[1:])
        assert it.ear.heard == [("CNHGS", 1), ("G3", 1)]
        it.say(border(3, state=AlertState.RESOLVED))
        await it.until(lambda: len(it.ear.heard) >= 5)
        assert sorted(it.ear.heard[2:]) == [("CNHGS", 3), ("G1", 1), ("G2", 1)]
        await it.courier.stop(1)

    play(scene)


def test_a_border_without_units_of_the_subscriber_explains_nothing() -> None:
    async def scene() -> None:
        it = Scene()
        it.courier.start()
        it.say(border(units={"other": ["V1"]}), of_border("G1"))
        await it.until(lambda: it.ear.heard)
        assert it.ear.heard == [("G1", 1)]
        await it.courier.stop(1)

    play(scene)


def test_a_border_that_a_subscription_is_not_about_explains_nothing() -> None:
    async def scene() -> None:
        it = Scene(filters=Filters(unit_ids=("U1",)))
        it.courier.start()
        it.say(border(units={"acme": ["U2", "U3"]}), of_border("G1"))
        await it.until(lambda: it.ear.heard)
        assert it.ear.heard == [("G1", 1)]
        await it.courier.stop(1)

    play(scene)
