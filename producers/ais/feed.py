"""Where lines of AIS come from: a file, a TCP server, or UDP.

A feed yields lines; it yields None when nothing came for a while, so that its reader can look up.
"""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog
from tenacity import Retrying, retry_if_exception_type, wait_random_exponential

log = structlog.get_logger(__name__)

Feed = Iterator[bytes | None]
Stopped = Callable[[], bool]

WAIT_SECONDS = 0.5
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 120.0
"""A TCP server that says nothing for so long is connected to anew; a busy coast says much."""
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_LINE = 65_536
DATAGRAM = 65_536


def file(path: Path) -> Feed:
    """The lines of a file, once.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as lines:
        yield from lines


def tcp(address: tuple[str, int], stopped: Stopped) -> Feed:
    """What a server sends, connected to again whenever that ends, until we are stopped."""
    while not stopped():
        yield None
        connection = _connected(address, stopped)
        if connection is None:
            return
        with connection:
            yield from _received(connection, stopped)


def udp(address: tuple[str, int], stopped: Stopped) -> Feed:
    """The lines of the datagrams that come to an address of ours.

    Raises:
        OSError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(WAIT_SECONDS)
        log.info("listening", address=address[0], port=address[1])
        while not stopped():
            try:
                yield from server.recv(DATAGRAM).splitlines()
            except TimeoutError:
                yield None


def _connected(address: tuple[str, int], stopped: Stopped) -> socket.socket | None:
    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while not stopped() and time.monotonic() < end:
            time.sleep(0.05)

    for attempt in Retrying(
        retry=retry_if_exception_type(OSError),
        wait=wait_random_exponential(0.5, max=LONGEST_PAUSE_SECONDS),
        sleep=pause,
        before_sleep=lambda state: log.warning(
            "not connected, will be tried again",
            server=address[0],
            port=address[1],
            reason=str(state.outcome and state.outcome.exception()),
        ),
        stop=lambda state: stopped(),
        retry_error_callback=lambda state: None,
    ):
        with attempt:
            connection = socket.create_connection(address, CONNECT_SECONDS)
            connection.settimeout(WAIT_SECONDS)
            log.info("connected", server=address[0], port=address[1])
            return connection
    return None


def _received(connection: socket.socket, stopped: Stopped) -> Feed:
    rest, heard = b"", time.monotonic()
    while not stopped():
        try:
            data = connection.recv(DATAGRAM)
        except TimeoutError:
            if time.monotonic() - heard > SILENT_SECONDS:
                log.warning("the server is silent", seconds=SILENT_SECONDS)
                return
            yield None
            continue
        except OSError as error:
            log.warning("the connection broke", reason=str(error))
            return
        if not data:
            log.warning("the server has closed the connection")
            return
        heard = time.monotonic()
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            yield rest  # no AIS: it is refused as a line that is too long
            rest = b""
