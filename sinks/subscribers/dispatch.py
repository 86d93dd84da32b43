"""Who tells whom: the couriers of all subscriptions, for the partitions that are ours.

Gateways share the work by a consumer group on `alerts.incidents`: who has a partition delivers its
incidents. The member itself fetches nothing, since every gateway reads all of it anyway (`feed`);
it is there for the membership, and for the committed offset, which says up to where every revision
has been told to everybody, or stands in the ledger, or need not be told.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from corridor import topics
from corridor.codes import Channel as ChannelType
from corridor.metrics import LAG, REBALANCES, SUBSCRIPTIONS, UNTOLD
from corridor.models import Subscription
from corridor.parties import Parties
from corridor.settings import Settings
from sinks.subscribers.attempt import Channel
from sinks.subscribers.board import Board, Entry, Names
from sinks.subscribers.courier import Courier
from sinks.subscribers.ledger import Key, Ledger, Line
from sinks.subscribers.subscriptions import Subscriptions

SESSION_SECONDS = 10
GRACE_SECONDS = 5.0
"""What is under way may take so long to finish when partitions move."""
TURN_SECONDS = 0.5
SWEEP_SECONDS = 10.0
AT_A_TIME = 200
"""Incidents looked at before others have their turn."""
NOBODY: Names = frozenset()

_log = structlog.get_logger("sinks.subscribers")


class Dispatch(ConsumerRebalanceListener):  # type: ignore[misc]
    """The couriers, and the membership that says for which partitions they go."""

    def __init__(
        self,
        settings: Settings,
        *,
        board: Board,
        subscriptions: Subscriptions,
        ledger: Ledger,
        parties: Parties,
        channels: Mapping[ChannelType, Channel],
        url: str,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Joins nothing yet.

        Args:
            settings: Where Kafka is.
            board: What stands; read to its end.
            subscriptions: Who wants to hear; read to the end.
            ledger: What was told.
            parties: Who sees what.
            channels: The ways to subscribers.
            url: Where the gateway is, for links.
            failed: Hears of what must not happen.
        """
        self._board = board
        self._subscriptions = subscriptions
        self._ledger = ledger
        self._parties = parties
        self._channels = channels
        self._url = url
        self._failed = failed
        self._couriers: dict[str, Courier] = {}
        self._owned: set[int] = set()
        self._committed: dict[int, int] = {}
        self._ready = False
        self._swept = 0.0
        self._work: set[asyncio.Task[None]] = set()
        self._member = AIOKafkaConsumer(
            **settings.aiokafka_client(),
            client_id="corridor-subscribers",
            group_id=settings.subscriber_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_SECONDS * 1000,
        )

    @property
    def trouble(self) -> str | None:
        """What is wrong; None while it delivers, or has nothing to deliver."""
        return None if self._ready else "no partitions are assigned yet"

    async def run(self) -> None:
        """Delivers until it is cancelled.

        Raises:
            KafkaError: the broker is lost for good.
        """
        self._board.listeners.append(self._offer)
        self._subscriptions.listeners.append(self._changed)
        self._member.subscribe([topics.INCIDENTS.name], listener=self)
        await self._member.start()
        try:
            while True:
                self._member.pause(*self._member.assignment())
                await self._member.getmany(timeout_ms=int(TURN_SECONDS * 1000))
                if self._ready:
                    await self._commit()
                    await self._sweep()
        finally:
            await self._close()
            await self._member.stop()

    # membership --------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Stops telling: the next owner reads the ledger after this."""
        await self._close()
        for partition in revoked:
            with suppress(KeyError):
                LAG.remove(partition.topic, partition.partition)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begins to tell, once the ledger is read."""
        REBALANCES.inc()
        _log.info("partitions assigned", partitions=len(assigned))
        self._member.pause(*assigned)
        self._spawn(self._open({one.partition for one in assigned}))

    async def _open(self, partitions: set[int]) -> None:
        lines: dict[Key, tuple[int, Line]] = {}
        begins: dict[int, int] = {}
        for partition in sorted(partitions):
            read = await self._ledger.read(partition)
            lines |= {key: (partition, line) for key, line in read.items()}
            of = TopicPartition(topics.INCIDENTS.name, partition)
            begins[partition] = await self._member.committed(of) or 0
        self._owned = partitions
        for subscription in list(self._subscriptions.all().values()):
            await self._enlist(subscription, lines, begins)
        known = self._subscriptions.all()
        for key, (partition, _) in lines.items():
            if key.subscription_id not in known:
                await self._ledger.write(partition, key, None)  # removed while nobody looked
        self._committed = begins
        self._ready = True
        for id in known.keys() | self._couriers.keys():  # what has changed in the meantime
            courier = self._couriers.get(id)
            if courier is None or courier.subscription is not known.get(id):
                self._changed(id, known.get(id))
        _log.info("delivering", partitions=len(partitions), couriers=len(self._couriers))

    async def _enlist(
        self,
        subscription: Subscription,
        lines: Mapping[Key, tuple[int, Line]],
        begins: Mapping[int, int],
    ) -> None:
        """Opens a courier that goes on where the last one was."""
        if subscription.channel.type not in self._channels:
            return
        courier = self._courier(subscription)
        for key, (partition, line) in lines.items():
            if key.subscription_id == subscription.subscription_id:
                courier.open(partition, key.incident_id, line)
        place = self._board.place(begins)
        for entry in self._board.since(self._board.begin if place is None else place):
            if entry.offset >= begins.get(entry.partition, entry.offset + 1):
                courier.offer(entry)
            if entry.number % AT_A_TIME == 0:
                await asyncio.sleep(0)
        # nothing was awaited since the end of the log: from here on it hears of each new entry
        self._couriers[subscription.subscription_id] = courier
        await self._begin(courier)

    async def _begin(self, courier: Courier) -> None:
        await self._look(courier)
        courier.start()

    async def _look(self, courier: Courier) -> None:
        names = self._names(courier.subscription)
        for number, incident_id in enumerate(self._board.ids(names)):
            standing = self._board.standing(incident_id)
            if standing is not None and standing.partition in self._owned:
                courier.look(incident_id)
            if number % AT_A_TIME == 0:
                await asyncio.sleep(0)

    async def _close(self) -> None:
        """Stops telling, and commits what was told."""
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        couriers = list(self._couriers.values())
        await asyncio.gather(*(courier.stop(GRACE_SECONDS) for courier in couriers))
        if self._ready:
            await self._commit()
        self._ready = False
        self._couriers.clear()
        self._owned = set()
        self._committed = {}

    async def _commit(self) -> None:
        """Commits, per partition, the offset before which nothing is left to be told by itself."""
        offsets = {partition: self._board.positions[partition] for partition in self._owned}
        for courier in self._couriers.values():
            for partition, offset in courier.held():
                offsets[partition] = min(offsets[partition], offset)
        for partition, offset in offsets.items():
            lag = self._board.positions[partition] - offset
            LAG.labels(topics.INCIDENTS.name, partition).set(lag)
        moved = {p: offset for p, offset in offsets.items() if offset > self._committed.get(p, -1)}
        if not moved:
            return
        try:
            await self._member.commit(
                {TopicPartition(topics.INCIDENTS.name, p): offset for p, offset in moved.items()}
            )
        except KafkaError as error:
            _log.info("commit failed, will be tried again", error=repr(error))
            return
        self._committed |= moved

    async def _sweep(self) -> None:
        """Counts, and removes the lines of incidents that are over, told, and never read again."""
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        SUBSCRIPTIONS.set(len(self._couriers))
        UNTOLD.set(sum(courier.waiting for courier in self._couriers.values()))
        for courier in list(self._couriers.values()):
            id = courier.subscription.subscription_id
            for incident_id, partition in courier.settled(self._committed):
                courier.forget(incident_id)
                await self._ledger.write(partition, Key(id, incident_id), None)

    # what changes ------------------------------------------------------------------------------

    def _offer(self, entry: Entry) -> None:
        if entry.partition in self._owned:
            for courier in self._couriers.values():
                courier.offer(entry)

    def _changed(self, id: str, subscription: Subscription | None) -> None:
        if not self._ready:
            return  # `_open` looks again when it is done
        courier = self._couriers.get(id)
        wanted = subscription is not None and subscription.channel.type in self._channels
        if courier is not None and wanted:
            assert subscription is not None
            courier.renew(subscription)
            self._spawn(self._look(courier))
        elif courier is not None:
            del self._couriers[id]
            self._spawn(self._remove(courier))
        elif wanted:
            assert subscription is not None
            self._couriers[id] = self._courier(subscription)
            self._spawn(self._begin(self._couriers[id]))

    async def _remove(self, courier: Courier) -> None:
        await courier.stop(GRACE_SECONDS)
        id = courier.subscription.subscription_id
        for incident_id, partition in courier.told():
            await self._ledger.write(partition, Key(id, incident_id), None)

    def _courier(self, subscription: Subscription) -> Courier:
        return Courier(
            subscription,
            board=self._board,
            ledger=self._ledger,
            channel=self._channels[subscription.channel.type],
            names=self._names,
            url=self._url,
            gone=self._subscriptions.disable,
            failed=self._failed,
        )

    def _names(self, subscription: Subscription) -> Names:
        party = self._parties.get(subscription.party)
        return NOBODY if party is None else party.names

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._work.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._work.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failed(error)

        task.add_done_callback(done)
        return task
