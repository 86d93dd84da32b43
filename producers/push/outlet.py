"""The way to Kafka that all requests share: one publisher, and one thread that flushes for all.

Requests publish on threads of their own and then wait; the flusher takes all who wait, flushes
once, and tells them: the more there are, the more share a flush. A publisher's failure is final:
who waits for it hears so, and a new one is opened, for as long as that takes.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog

from corridor.metrics import COMMIT_REQUESTS
from corridor.settings import Settings
from producers.publisher import MissingTopicError, Publisher, PublishError

log = structlog.get_logger(__name__)

CONFIRM_SECONDS = 10.0
"""How long Kafka may take to confirm; a sender waits no longer."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
"""Between two attempts to reach Kafka."""

Open = Callable[[], Publisher]


class Unavailable(Exception):
    """Kafka does not confirm; what was published may be there or not."""


class _Waiter(NamedTuple):
    publisher: Publisher
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]

    def tell(self, error: Exception | None) -> None:
        def settle() -> None:
            if self.future.done():
                return
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(Unavailable(str(error)))

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(settle)


class Outlet:
    """Publishers in turn, each for as long as it lives."""

    def __init__(
        self, settings: Settings, *, open: Open | None = None, seconds: float = CONFIRM_SECONDS
    ) -> None:
        """Starts to connect.

        Args:
            settings: Where Kafka is.
            open: Opens a publisher.
            seconds: How long Kafka may take to confirm.
        """
        self.seconds = seconds
        self._open = open or (lambda: Publisher(settings, delivery_seconds=seconds))
        self._condition = threading.Condition()
        self._publisher: Publisher | None = None
        self._broken = False
        self._trouble: str | None = "Kafka has not been reached yet"
        self._waiters: list[_Waiter] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """What is wrong, or None when Kafka takes messages."""
        return self._trouble

    def publisher(self) -> Publisher:
        """The one to publish on.

        Raises:
            Unavailable: there is none now.
        """
        publisher = self._publisher
        if publisher is None or self._broken:
            raise Unavailable(self._trouble or "Kafka is being reached")
        return publisher

    def failed(self, publisher: Publisher, error: PublishError) -> None:
        """Tells that a publisher raised this; it is replaced, unless that would not help."""
        if isinstance(error, MissingTopicError):
            return
        with self._condition:
            if publisher is self._publisher and not self._broken:
                self._broken = True
                self._trouble = str(error)
                self._condition.notify()

    async def confirm(self, publisher: Publisher) -> None:
        """Returns when all that was published on it before is on Kafka.

        Raises:
            Unavailable: it is not known to be, after `seconds`.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(publisher, loop, loop.create_future())
        with self._condition:
            if self._closing or self._broken or publisher is not self._publisher:
                raise Unavailable(self._trouble or "the connection to Kafka was replaced")
            self._waiters.append(waiter)
            self._condition.notify()
        try:
            async with asyncio.timeout(self.seconds):
                await waiter.future
        except TimeoutError:
            raise Unavailable(f"Kafka has not confirmed within {self.seconds:.0f} s") from None

    def close(self) -> None:
        """Confirms for those who wait, and disconnects."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(self.seconds + 5)

    # the flusher's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closing:
            if self._publisher is None:
                try:
                    opened = self._open()
                except PublishError as error:
                    self._trouble = str(error)
                    log.warning("no Kafka, will be tried again", error=str(error), seconds=pause)
                    with self._condition:
                        self._condition.wait_for(lambda: self._closing, pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                    continue
                with self._condition:
                    self._publisher, self._broken, self._trouble = opened, False, None
                pause = FIRST_PAUSE_SECONDS
                log.info("Kafka reached")
            self._flush(self._publisher)
        self._finish()

    def _flush(self, publisher: Publisher) -> None:
        """Waits for somebody who waits, and flushes for all of them."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiters or self._broken or self._closing)
            waiters, self._waiters = self._waiters, []
            broken = self._broken
        error: Exception | None = None
        if broken:
            error = Unavailable(self._trouble or "")
        elif waiters:
            COMMIT_REQUESTS.observe(len(waiters))
            try:
                publisher.flush()
            except PublishError as failure:
                error = failure
        for waiter in waiters:
            waiter.tell(error)
        if error is not None:
            self._replace(publisher, error)

    def _replace(self, publisher: Publisher, error: Exception) -> None:
        log.error("publisher failed, a new one is opened", error=str(error))
        with self._condition:
            self._trouble = str(error)
            self._publisher = None
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.tell(error)
        publisher.close()

    def _finish(self) -> None:
        publisher = self._publisher
        if publisher is None:
            return
        with self._condition:
            waiters, self._waiters = self._waiters, []
        error: Exception | None = None
        try:
            publisher.flush()
        except PublishError as failure:
            error = failure
        for waiter in waiters:
            waiter.tell(error)
        publisher.close()
