"""How soon subscribers hear, and that the healthy wait for nobody, whoever fails or is killed.

`python -m bench.subscribers [--clients N] [--endpoints N] [--rates R …] [--seconds S] [--kills K]
[--json]` starts a Kafka and a gateway of its own, with clients of server-sent events and webhook
endpoints, a third of them slow, failing or dead. Revisions of incidents come at a share of a rate
of events (`--share`: an assumption, not measured); times are from a revision's making to its
arrival, so what the workers need before that is not in them. Then the gateway is killed with -9.
It exits with 1 where anybody healthy lost something, or heard of an incident in another order.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiokafka import AIOKafkaProducer

from bench.broker import kafka
from commands import topic_admin
from corridor import parties, topics
from corridor.codes import AlertKind, AlertState, Cause, Level
from corridor.identity import derived_id
from corridor.models import Affected, Incident, PartyShare, Why
from corridor.settings import Settings
from deploy.local import child, readiness

PARTIES = 20
UNITS = 20
"""Of each incident: of two parties."""
STANDING = 200
"""Incidents that change in turn."""
BEGAN = datetime.now(UTC)


def incident(number: int, revision: int) -> Incident:
    """A revision that is worth telling: it comes and goes. Its `as_of` says when it was said."""
    names = [f"party-{number % PARTIES}", f"party-{(number * 7 + 3) % PARTIES}"]
    over = revision % 2 == 0
    level = Level.MAJOR
    key = f"DELAY/RUN/BENCH-{number}"
    now = datetime.now(UTC)
    affected = tuple(
        Affected(
            unit_id=f"UNIT{number:04}{n:03}",
            shipment_id=f"BILL-{number}-{n // 4}",
            parties=(names[n % 2],),
            leg_id="CNCKG-CNQZH.RAIL",
            level=level,
            expected_time=BEGAN + timedelta(days=2),
            delay_seconds=7200.0,
        )
        for n in range(0 if over else UNITS)
    )
    return Incident(
        incident_id=derived_id("incident", key),
        dedup_key=key,
        revision=revision,
        kind=AlertKind.DELAY,
        cause=Cause.RUN,
        subject=f"BENCH-{number}",
        level=level,
        state=AlertState.RESOLVED if over else AlertState.OPEN,
        opened_time=BEGAN,
        resolved_time=now if over else None,
        changed_time=now,
        as_of=now,
        reason=f"Run BENCH-{number} is expected 2 h late ({level}, {UNITS} units).",
        why=Why(rule="DELAY.RAIL", probability=0.8, value_seconds=7200.0, caused_by="rail/e1"),
        leg_id="CNCKG-CNQZH.RAIL",
        affected=affected,
        unit_count=len(affected),
        shipment_count=len(affected) // 4,
        parties=tuple(
            PartyShare(party=name, units=len(affected) // 2, shipments=len(affected) // 4)
            for name in sorted(names)
        ),
        caused_by="rail/e1",
    )


def names_of(number: int) -> set[str]:
    return {f"party-{number % PARTIES}", f"party-{(number * 7 + 3) % PARTIES}"}


class Told:
    """What one receiver heard."""

    def __init__(self, name: str, party: str, *, healthy: bool) -> None:
        self.name = name
        self.party = party
        self.healthy = healthy
        self.revisions: dict[str, list[int]] = defaultdict(list)
        self.ids: dict[str, tuple[str, int]] = {}
        self.latencies: list[float] = []
        self.gaps = 0
        self.again = 0
        self.disorder = 0

    def take(self, event: dict[str, Any], id: str | None) -> None:
        data = event["data"]
        subject, revision = data["subject"], data["revision"]
        heard = self.revisions[subject]
        if heard and revision <= heard[-1]:
            same = id is None or self.ids.get(id) == (subject, revision)
            if revision == heard[-1] and same:
                self.again += 1
            else:
                self.disorder += 1
            return
        if id is not None:
            self.ids[id] = (subject, revision)
        heard.append(revision)
        said = datetime.fromisoformat(data["as_of"])
        self.latencies.append((datetime.now(UTC) - said).total_seconds())


class Endpoints:
    """Servers of subscribers: two thirds healthy, the rest slow, failing, or not there."""

    def __init__(self, number: int, port: int) -> None:
        self.told = {
            f"/{n}": Told(f"webhook {n}", f"party-{n % PARTIES}", healthy=n % 3 > 0)
            for n in range(number)
        }
        self.port = port
        self._failing = 0

    def url(self, path: str) -> str:
        number = int(path[1:])
        dead = number % 9 == 0
        return f"http://127.0.0.1:{1 if dead else self.port}{path}"

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        told = self.told[request.path]
        if not told.healthy:
            if int(request.path[1:]) % 9 == 3:
                await asyncio.sleep(20)
            self._failing += 1
            if self._failing % 2:
                return web.Response(status=503)
        told.take(orjson.loads(body), request.headers["webhook-id"])
        return web.Response(status=204)


async def listen(told: Told, url: str, token: str, session: aiohttp.ClientSession) -> None:
    """A client that comes back where it was; an unhealthy one reads too slowly."""
    last: str | None = None
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        if last is not None:
            headers["Last-Event-ID"] = last
        try:
            async with session.get(f"{url}/stream", headers=headers) as response:
                if response.status != 200:
                    raise aiohttp.ClientError(str(response.status))
                name, id, data = "", None, b""
                async for line in response.content:
                    if line.startswith(b"event: "):
                        name = line[7:].strip().decode()
                    elif line.startswith(b"id: "):
                        id = line[4:].strip().decode()
                    elif line.startswith(b"data: "):
                        data = line[6:]
                    elif line == b"\n":
                        if name == "gap":
                            told.gaps += 1
                        elif name == "incident":
                            told.take(orjson.loads(data), None)
                        last = id or last
                        name, id, data = "", None, b""
                        if not told.healthy:
                            await asyncio.sleep(1)
        except (aiohttp.ClientError, OSError, TimeoutError):
            await asyncio.sleep(0.2)


class Gateway:
    """The process that is measured, and killed."""

    def __init__(self, directory: Path, settings: Settings, ports: tuple[int, int]) -> None:
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.file = directory / "parties.json"
        self.tokens = {
            name: parties.add(self.file, name, datetime.now(UTC))
            for name in (f"party-{n}" for n in range(PARTIES))
        }
        self._log = directory / "gateway.log"
        self._metrics_port = ports[1]
        self._env = {
            **os.environ,
            "CORRIDOR_KAFKA": settings.kafka,
            "CORRIDOR_DATA": str(directory),
            "CORRIDOR_SUBSCRIBERS_PORT": str(ports[0]),
            "CORRIDOR_WEBHOOK_PRIVATE": "true",
            "CORRIDOR_LOG_LEVEL": "WARNING",
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> float:
        """Starts it; returns the seconds until it was ready."""
        began = time.monotonic()
        command = [sys.executable, "-m", "sinks.subscribers", "--metrics-port"]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220, a few milliseconds
                child.wrapped([*command, str(self._metrics_port)]),
                env=self._env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while await asyncio.to_thread(readiness.trouble, f"{self.url}/health"):
            if self._process.poll() is not None or time.monotonic() - began > 120:
                raise SystemExit(self._log.read_text()[-2000:])
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    def kill(self) -> None:
        """kill -9, of the process and of what wraps it."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Speaker:
    """Says revisions of incidents at a rate."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._number = 0
        self.last: dict[str, int] = {}

    async def speak(self, rate: float, seconds: float) -> int:
        """Says so many a second, for so long; returns how many."""
        began, said = time.monotonic(), 0
        waiting: list[asyncio.Future[Any]] = []
        while (passed := time.monotonic() - began) < seconds:
            while said < passed * rate:
                waiting.append(await self._say())
                said += 1
            await asyncio.sleep(min(0.01, 1 / rate))
        await asyncio.gather(*waiting)
        return said

    async def _say(self) -> "asyncio.Future[Any]":
        number = self._number % STANDING
        revision = self._number // STANDING + 1
        self._number += 1
        one = incident(number, revision)
        self.last[one.subject] = revision
        sent: asyncio.Future[Any] = await self._producer.send(
            topics.INCIDENTS.name, key=one.dedup_key.encode(), value=one.to_json()
        )
        return sent


def quantiles(told: list[Told]) -> dict[str, float | int]:
    values = sorted(value for one in told for value in one.latencies)
    if len(values) < 2:
        return {"n": len(values)}
    cuts = statistics.quantiles(values, n=100)
    return {
        "n": len(values),
        "p50_ms": round(cuts[49] * 1000, 1),
        "p99_ms": round(cuts[98] * 1000, 1),
    }


def missing(told: Told, last: dict[str, int], first: dict[str, int]) -> int:
    """Revisions that it should have heard one by one, and has not."""
    lost = 0
    for subject, end in last.items():
        if told.party in names_of(int(subject.rpartition("-")[2])):
            wanted = set(range(first.get(subject, 1), end + 1))
            lost += len(wanted - set(told.revisions[subject]))
    return lost


async def settle(healthy: list[Told], last: dict[str, int], seconds: float) -> None:
    """Waits until the healthy have heard the last of everything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(  # noqa: ASYNC110, each receiver would need an event
        missing(one, last, last) for one in healthy
    ):
        await asyncio.sleep(0.2)


async def measure(
    arguments: argparse.Namespace, settings: Settings, directory: Path
) -> dict[str, Any]:
    ports = free_ports(3)
    gateway = Gateway(directory, settings, (ports[0], ports[1]))
    endpoints = Endpoints(arguments.endpoints, ports[2])
    application = web.Application()
    application.router.add_post("/{path:.*}", endpoints.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", ports[2], backlog=2048).start()
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", linger_ms=2)
    await producer.start()
    clients = [
        Told(f"stream {n}", f"party-{n % PARTIES}", healthy=n % 3 > 0)
        for n in range(arguments.clients)
    ]
    hooks = list(endpoints.told.values())
    healthy = [one for one in (*clients, *hooks) if one.healthy]
    result: dict[str, Any] = {"clients": len(clients), "endpoints": len(hooks), "rates": []}
    listening: list[asyncio.Task[None]] = []
    speaker = Speaker(producer)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
        read_bufsize=4096,
    ) as session:
        try:
            result["start_seconds"] = round(await gateway.start(), 1)
            for path, told in endpoints.told.items():
                asked = {
                    "channel": {"type": "webhook", "url": endpoints.url(path)},
                    "group_seconds": 0,
                    "repeat_seconds": 0,
                }
                headers = {"Authorization": f"Bearer {gateway.tokens[told.party]}"}
                async with session.post(
                    f"{gateway.url}/subscriptions", json=asked, headers=headers
                ) as answer:
                    answer.raise_for_status()
            for client in clients:
                token = gateway.tokens[client.party]
                listening.append(asyncio.create_task(listen(client, gateway.url, token, session)))
            await asyncio.sleep(3 + len(clients) / 200)
            for rate in arguments.rates:
                for one in (*clients, *hooks):
                    one.latencies.clear()
                incidents = max(0.1, rate * arguments.share)
                said = await speaker.speak(incidents, arguments.seconds)
                await settle(healthy, speaker.last, 60)
                result["rates"].append(
                    {
                        "events_per_second": rate,
                        "revisions_per_second": incidents,
                        "revisions": said,
                        "webhook": quantiles([one for one in hooks if one.healthy]),
                        "sse": quantiles([one for one in clients if one.healthy]),
                    }
                )
            for _ in range(arguments.kills):
                speaking = asyncio.create_task(speaker.speak(arguments.kill_rate, 6))
                await asyncio.sleep(2)
                gateway.kill()
                await gateway.start()
                await speaking
            await settle(healthy, speaker.last, 120)
        finally:
            gateway.kill()
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
            await producer.stop()
            await runner.cleanup()
    for name, group in (("webhook", hooks), ("sse", clients)):
        well = [one for one in group if one.healthy]
        result[name] = {
            "healthy": len(well),
            "lost": sum(missing(one, speaker.last, {}) for one in well if one not in clients),
            "last_not_heard": sum(missing(one, speaker.last, speaker.last) for one in well),
            "gaps": sum(one.gaps for one in well),
            "twice_with_the_same_id": sum(one.again for one in group),
            "out_of_order": sum(one.disorder for one in group),
        }
        if name == "sse":
            result[name]["lost"] = sum(
                missing(one, speaker.last, {}) for one in well if not one.gaps
            )
    result["kills"] = arguments.kills
    result["ok"] = all(
        not result[name][what]
        for name in ("webhook", "sse")
        for what in ("lost", "last_not_heard", "out_of_order")
    )
    return result


def free_ports(number: int) -> list[int]:
    import socket

    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


def lines(result: dict[str, Any]) -> Iterator[str]:
    yield f"{result['clients']:,} clients of server-sent events, {result['endpoints']} webhooks"
    for rate in result["rates"]:
        yield (
            f"{rate['events_per_second']:>7,.0f} events/s, {rate['revisions_per_second']:g}"
            f" revisions/s: webhook {rate['webhook']}, sse {rate['sse']}"
        )
    yield f"killed {result['kills']} times: webhook {result['webhook']}, sse {result['sse']}"


def main() -> None:
    """Runs it; the last line says whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m bench.subscribers", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--rates", type=float, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--share", type=float, default=0.001, help="revisions of an event")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--kill-rate", type=float, default=5, help="revisions/s meanwhile")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    with kafka() as settings, tempfile.TemporaryDirectory(prefix="corridor-bench-") as directory:
        topic_admin.apply(settings)
        result = asyncio.run(measure(arguments, settings, Path(directory)))
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print("\n".join(lines(result)))
        print("ok" if result["ok"] else "NOT ok")
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
