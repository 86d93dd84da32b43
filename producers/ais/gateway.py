"""The AIS gateway: from a receiver's lines to Kafka.

A line that does not say when it was received gets the time at which we did. Radio repeats itself
every few seconds and acknowledges nothing, so what Kafka has not confirmed when this process dies
is not asked for again; the next positions follow at once. A file can be read again.

What is no ship's word (base stations, aids to navigation …) is counted and left: a busy coast
says thousands of these a minute. What is broken goes to the quarantine.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.metrics import AIS_MESSAGES
from corridor.models import TrackingEvent
from corridor.observability import ObservabilityServer
from corridor.settings import Settings
from producers.adapter import Item
from producers.ais import AIS, feed
from producers.ais.feed import Feed
from producers.ais.reading import read
from producers.ais.sentences import Assembler, Group, is_line, sentence, stamped
from producers.ais.thinning import Thinning
from producers.intake import Intake
from producers.iot.assignments import Assignments
from producers.publisher import Publisher

FLUSH_SECONDS = 1.0
THINNED, SILENT = "thinned", "silent"


class Gateway:
    """Reads one feed."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        party: str,
        seconds: float,
        assignments: Assignments,
        received: Callable[[], datetime] | None,
    ) -> None:
        """Makes a gateway.

        Args:
            publisher: The way to Kafka.
            party: The source of the events: whose receivers they are.
            seconds: One position of a ship in so many seconds; 0: all.
            assignments: Which runs the ships are on.
            received: When a line without a time was received; None: nobody knows.
        """
        self.outcomes: Counter[str] = Counter()
        """Messages by what became of them: an event's code, a reason, `thinned`, `silent`."""
        self._publisher = publisher
        self._intake = Intake(publisher)
        self._party = party
        self._thinning = Thinning(seconds)
        self._assignments = assignments
        self._received = received
        self._assembler = Assembler()
        self._channel: str | None = None

    def run(self, lines: Feed, channel: str) -> None:
        """Reads a feed to its end.

        Args:
            lines: The feed's.
            channel: Where they come from, for the quarantine.

        Raises:
            PublishError: Kafka does not take messages.
        """
        self._channel = channel
        due = time.monotonic() + FLUSH_SECONDS
        for line in lines:
            if line is not None and is_line(line):
                if self._received is not None:
                    line = stamped(line, self._received())
                for group in self._assembler.add(sentence(line)):
                    self._take(group)
            if time.monotonic() > due:
                self._publisher.flush()
                due = time.monotonic() + FLUSH_SECONDS
        for group in self._assembler.rest():
            self._take(group)
        self._publisher.flush()

    def _take(self, group: Group) -> None:
        items = read(group, self._party)
        if not items:
            self._count(SILENT)
        told: list[Item] = []
        for item in items:
            if isinstance(item, Rejected) and item.reason is Reject.UNSUPPORTED:
                self._count(str(item.reason))
            elif not self._thinning.stays(item):
                self._count(THINNED)
            else:
                told.append(self._assignments.assign(item))
        if not told:
            return
        taken = self._intake.take(
            replace(AIS, decode=lambda message, sender: told),
            group.raw,
            sender=self._party,
            channel=self._channel,
        )
        for item in (*taken.accepted, *taken.rejected):
            self._count(item.code if isinstance(item, TrackingEvent) else _reason(item))

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1
        AIS_MESSAGES.labels(outcome).inc()


def _reason(item: object) -> str:
    return str(item.reason) if isinstance(item, Rejected) else "other"


class Source(NamedTuple):
    """Where lines come from."""

    name: str
    open: Callable[[Callable[[], bool]], Feed]
    live: bool
    """Whether lines are received as they are read."""


def source(path: Path | None, tcp: str | None, udp: int | None, host: str) -> Source:
    """The one source that was named.

    Args:
        path: A file.
        tcp: A server, `host:port`.
        udp: A port of ours.
        host: The address that we listen on.

    Raises:
        ValueError: none or several were named, or the server's address is none.
    """
    if sum(one is not None for one in (path, tcp, udp)) != 1:
        raise ValueError("name one: a file, --tcp or --udp")
    if path is not None:
        return Source(str(path), lambda stopped: feed.file(path), live=False)
    if udp is not None:
        return Source(f"udp:{udp}", lambda stopped: feed.udp((host, udp), stopped), live=True)
    name, _, port = (tcp or "").rpartition(":")
    if not name or not port.isdecimal():
        raise ValueError(f"--tcp {tcp} is not HOST:PORT")
    server = (name.strip("[]"), int(port))
    return Source(f"tcp:{tcp}", lambda stopped: feed.tcp(server, stopped), live=True)


def serve(
    settings: Settings,
    source: Source,
    *,
    party: str,
    seconds: float,
    received: datetime | None,
    assignments: Assignments,
    metrics_port: int,
) -> Counter[str]:
    """Runs a gateway in this process until its file ends, or SIGTERM or SIGINT comes.

    Returns:
        What became of the messages.

    Raises:
        PublishError: Kafka cannot be reached, or does not take messages.
        OSError: the source or the metrics port cannot be used.
    """
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    clock: Callable[[], datetime] | None = None
    if source.live:
        clock = partial(datetime.now, UTC)
    elif received is not None:
        clock = partial(received.astimezone, UTC)
    with ExitStack() as stack:
        if source.live:
            stack.enter_context(ObservabilityServer(settings.host, metrics_port))
        publisher = stack.enter_context(Publisher(settings))
        gateway = Gateway(
            publisher, party=party, seconds=seconds, assignments=assignments, received=clock
        )
        gateway.run(_until(source.open(stopping.is_set), stopping), source.name)
        return gateway.outcomes


def _until(lines: Feed, stopping: threading.Event) -> Feed:
    for line in lines:
        if stopping.is_set():
            return
        yield line
