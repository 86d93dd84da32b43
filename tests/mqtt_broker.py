"""`python -m tests.mqtt_broker PORT`: what a gateway needs of an MQTT 3.1.1 broker, and no more.

QoS 1, sessions that outlive their connections, shared subscriptions, and redelivery of what was
not acknowledged (MQTT 3.1.1, 4.4). It is for machines without Mosquitto: amqtt forgets a message
whose subscriber dies before it has acknowledged it, or takes more than 5 s.
"""

import asyncio
import struct
import sys
from collections import OrderedDict, deque
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = (
    *(1, 2, 3, 4, 8, 9, 12, 13, 14),
)
IN_FLIGHT = 500


@dataclass
class Session:
    """A subscriber: what it has not got, and what it has not acknowledged."""

    queue: deque[bytes] = field(default_factory=deque)
    in_flight: "OrderedDict[int, bytes]" = field(default_factory=OrderedDict)
    writer: asyncio.StreamWriter | None = None
    next_id: int = 0
    topic_filter: list[str] | None = None

    def send(self) -> None:
        while self.writer is not None and self.queue and len(self.in_flight) < IN_FLIGHT:
            self.next_id = self.next_id % 65535 + 1
            self.in_flight[self.next_id] = self.queue.popleft()
            self.deliver(self.next_id, 0)

    def deliver(self, id: int, duplicate: int) -> None:
        assert self.writer is not None
        topic_length = struct.unpack_from(">H", message := self.in_flight[id])[0] + 2
        body = message[:topic_length] + struct.pack(">H", id) + message[topic_length:]
        self.writer.write(packet(PUBLISH, body, 2 | duplicate))


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet (2.2)."""
    length, size = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        size.append(digit | (128 if length else 0))
        if not length:
            return bytes([kind << 4 | flags]) + bytes(size) + body


async def read(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Kind, flags and body of the next one."""
    head = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return head >> 4, head & 15, await reader.readexactly(length)


def text(body: bytes, at: int) -> tuple[str, int]:
    """A text, and where it ends."""
    end = at + 2 + struct.unpack_from(">H", body, at)[0]
    return body[at + 2 : end].decode(), end


def fits(pattern: list[str], topic: list[str]) -> bool:
    """Whether a topic is of a filter; `#` is not known."""
    if len(pattern) != len(topic):
        return False
    return all(wanted in ("+", level) for wanted, level in zip(pattern, topic, strict=True))


class Broker:
    """All sessions; each message goes to every one that it fits."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        try:
            while True:
                kind, flags, body = await read(reader)
                if kind == CONNECT:
                    client, _ = text(body, 10)
                    session = self.connect(client, clean=bool(body[7] & 2), writer=writer)
                elif kind == PUBLISH:
                    topic, end = text(body, 0)
                    if flags & 6:
                        id, payload = body[end : end + 2], body[end + 2 :]
                    else:
                        id, payload = b"", body[end:]
                    self.route(topic, body[:end] + payload)
                    if id:
                        writer.write(packet(PUBACK, id))
                elif kind == PUBACK:
                    session.in_flight.pop(struct.unpack(">H", body)[0], None)
                    session.send()
                elif kind == SUBSCRIBE:
                    pattern, _ = text(body, 2)
                    levels = pattern.split("/")
                    session.topic_filter = levels[2:] if levels[0] == "$share" else levels
                    writer.write(packet(SUBACK, body[:2] + b"\x01"))
                elif kind == PINGREQ:
                    writer.write(packet(PINGRESP, b""))
                elif kind == DISCONNECT:
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if session.writer is writer:
                session.writer = None
            writer.close()

    def connect(self, client: str, *, clean: bool, writer: asyncio.StreamWriter) -> Session:
        present = client in self.sessions and not clean
        session = self.sessions[client] if present else Session()
        if not clean:
            self.sessions[client] = session
        if session.writer is not None:
            session.writer.close()
        session.writer = writer
        writer.write(packet(CONNACK, bytes([present, 0])))
        for id in session.in_flight:
            session.deliver(id, 8)
        session.send()
        return session

    def route(self, topic: str, message: bytes) -> None:
        levels = topic.split("/")
        for session in self.sessions.values():
            if session.topic_filter is not None and fits(session.topic_filter, levels):
                session.queue.append(message)
                session.send()


async def main() -> None:
    """Listens until it is ended."""
    server = await asyncio.start_server(Broker().serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
