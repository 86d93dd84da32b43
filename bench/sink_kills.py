"""Is every record in ClickHouse exactly once, whatever happens to the sink?

    python -m bench.sink_kills [--rounds N] [--seed S] [--fault NAME] [--without-intent] [--json]

Each round has a topic, a consumer group and a seed of its own. Records go to Kafka, a sink begins,
something happens to it, more records go to Kafka, and other sinks end the work. Then what is on
Kafka is compared with what is in ClickHouse, as multisets of (partition, offset), where duplicates
cannot hide: in a plain MergeTree behind a materialized view, and in the sums of a
SummingMergeTree behind another one, which stay doubled for ever if a row was counted twice. What
cannot be a row has to be in the quarantine.

With --without-intent the sink commits offsets only, as most do: the rounds must find that.

Last line: rounds played, and rounds with a difference.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
from clickhouse_driver import Client
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from bench import broker, mortal_sink
from bench.clickhouse import ClickHouse
from bench.lossy_proxy import LossyProxy
from bench.mortal_sink import Order, Point
from corridor.models import DeadLetter, TrackingEvent
from corridor.settings import Settings
from sinks.clickhouse import schema
from sinks.clickhouse.tables import DEDUPLICATION_WINDOW

PARTITIONS = 4
RECORDS = 300
"""Of one round; half of them come after the fault."""
ROUND_SECONDS = 60.0
AT_ONCE = 6
"""Rounds that are played side by side: mostly they wait for a session to end."""
START = datetime(2026, 1, 1, tzinfo=UTC)

REPLY_LOST = "reply lost"
CLICKHOUSE_KILLED = "ClickHouse killed"
REBALANCE_STORM = "rebalance storm"
FAULTS = (*map(str, Point), REPLY_LOST, CLICKHOUSE_KILLED, REBALANCE_STORM)

_SEEN = "seen"
_SUMS = "sums"


@dataclass(frozen=True)
class Outcome:
    """What one round has come to."""

    fault: str
    seed: int
    seconds: float
    happened: bool
    """The fault; a sink may be done before its n-th chance to die."""
    differences: tuple[str, ...]


class Arena:
    """Servers, and the tables in which duplicates show."""

    def __init__(self, settings: Settings, server: ClickHouse | None = None) -> None:
        """Makes the tables.

        Args:
            settings: Where Kafka and ClickHouse are; the database is ours.
            server: That ClickHouse, if it may be killed.
        """
        self.settings = settings
        self.server = server
        _wait_for_coordinators(settings)
        schema.apply(settings)
        window = f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
        columns = "_topic LowCardinality(String), _partition Int32"
        database = settings.clickhouse_database
        for statement in (
            f"CREATE TABLE {_SEEN} ({columns}, _offset Int64) "
            f"ENGINE = MergeTree ORDER BY (_topic, _partition, _offset) {window}",
            f"CREATE MATERIALIZED VIEW {_SEEN}_view TO {database}.{_SEEN} AS "
            "SELECT _topic, _partition, _offset FROM events",
            f"CREATE TABLE {_SUMS} ({columns}, rows UInt64, offsets UInt64) "
            f"ENGINE = SummingMergeTree ORDER BY (_topic, _partition) {window}",
            f"CREATE MATERIALIZED VIEW {_SUMS}_view TO {database}.{_SUMS} AS "
            "SELECT _topic, _partition, count() AS rows, sum(_offset) AS offsets "
            "FROM events GROUP BY _topic, _partition",
        ):
            self.query(statement)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        known = self.settings
        with Client(
            known.clickhouse_host, known.clickhouse_port, database=known.clickhouse_database
        ) as client:
            rows: list[tuple[Any, ...]] = client.execute(sql)
            return rows


class Round:
    """One topic and one group, some sinks, and what is done to them."""

    def __init__(self, arena: Arena, seed: int, *, intents: bool = True) -> None:
        self.arena = arena
        self.chance = random.Random(seed)
        self.topic = f"kills_{uuid.uuid4().hex[:12]}"
        self._letters = f"{self.topic}.letters"
        self._group = f"{self.topic}-clickhouse"
        self._processes: list[ForkServerProcess] = []
        self._order = Order(
            arena.settings.model_copy(
                update={"group": self.topic, "batch_rows": 20, "batch_seconds": 0.02}
            ),
            self.topic,
            self._letters,
            intents=intents,
            seed=seed,
        )
        self._published = 0
        self._admin = KafkaAdminClient(bootstrap_servers=arena.settings.kafka)
        self._admin.create_topics(
            {self.topic: {"num_partitions": PARTITIONS}, self._letters: {"num_partitions": 1}},
            wait_for_metadata=True,
        )

    def close(self) -> None:
        """Ends what still runs."""
        for process in self._processes:
            self.kill(process)
        self._admin.delete_topics([self.topic, self._letters])
        self._admin.close()

    # what happens ------------------------------------------------------------------------------

    def publish(self, count: int) -> None:
        """Puts records on random partitions; a few of them cannot be rows."""
        producer = KafkaProducer(bootstrap_servers=self.arena.settings.kafka, linger_ms=5)
        for number in range(self._published, self._published + count):
            producer.send(
                self.topic,
                b"junk" if self.chance.random() < 0.02 else _event(self.topic, number),
                partition=self.chance.randrange(PARTITIONS),
            )
        producer.flush()
        producer.close()
        self._published += count

    def sink(self, point: Point | None = None, *, port: int | None = None) -> ForkServerProcess:
        """Starts a sink.

        Args:
            point: Where it is to die.
            port: Where it believes ClickHouse to be.
        """
        order = replace(
            self._order,
            point=point,
            nth=self.chance.randint(1, 4),
            seed=self.chance.getrandbits(32),
        )
        if port is not None:
            order = replace(
                order, settings=order.settings.model_copy(update={"clickhouse_port": port})
            )
        process = _forks().Process(target=mortal_sink.run, args=(order,), daemon=True)
        process.start()
        self._processes.append(process)
        return process

    def kill(self, process: ForkServerProcess) -> None:
        """kill -9, if it lives: the number of one that is gone may be another's by now."""
        if process.is_alive():
            process.kill()
        process.join()

    def pause(self, longest: float) -> None:
        """Lets a random time pass."""
        time.sleep(self.chance.uniform(0, longest))

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Waits until the condition holds.

        Raises:
            TimeoutError: it does not within `ROUND_SECONDS`.
        """
        deadline = time.monotonic() + ROUND_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                commits = self._admin.list_group_offsets([self._group])[self._group]
                raise TimeoutError(
                    f"waited in vain until {what}; {self._published} published, commits: "
                    + ", ".join(commit.metadata for commit in commits.values())
                )
            time.sleep(0.03)

    def all_is_confirmed(self) -> bool:
        """The group has committed everything that was published."""
        try:
            commits = self._admin.list_group_offsets([self._group])[self._group]
        except KafkaError as error:  # the first group of a fresh broker waits for its coordinator
            if not error.retriable:
                raise
            return False
        confirmed = sum(commit.offset for commit in commits.values() if commit.offset > 0)
        return bool(confirmed == self._published)

    # what came of it ---------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """What differs between Kafka and ClickHouse, one line each."""
        expected: Counter[tuple[int, int]] = Counter()
        rejected = set()
        for record in self._read(self.topic, PARTITIONS):
            place = (record.partition, record.offset)
            if record.value == b"junk":
                rejected.add(place)
            else:
                expected[place] += 1
        where = f"WHERE _topic = '{self.topic}'"
        seen = Counter(self.arena.query(f"SELECT _partition, _offset FROM {_SEEN} {where}"))
        found = [
            *(f"{place} is {seen[place]} times in the view" for place in sorted(seen - expected)),
            *(f"{place} is missing in the view" for place in sorted(expected - seen)),
        ]
        rows = Counter(self.arena.query(f"SELECT _partition, _offset FROM events {where}"))
        found += [f"{place} is wrong in events" for place in rows.keys() ^ expected.keys()]
        sums = self.arena.query(
            f"SELECT _partition, sum(rows), sum(offsets) FROM {_SUMS} {where} GROUP BY _partition"
        )
        counts: dict[int, list[int]] = {}
        for partition, offset in expected:
            count = counts.setdefault(partition, [0, 0])
            count[0] += 1
            count[1] += offset
        if {partition: [*numbers] for partition, *numbers in sums} != counts:
            found.append(f"sums are {sums}, not {counts}")
        letters = {
            (letter.origin.partition, letter.origin.offset)
            for record in self._read(self._letters, 1)
            if (letter := DeadLetter.model_validate_json(record.value))
        }
        found += [f"the letter of {place} is wrong" for place in letters ^ rejected]
        return found

    def _read(self, topic: str, partitions: int) -> Iterator[Any]:
        consumer = KafkaConsumer(
            bootstrap_servers=self.arena.settings.kafka, enable_auto_commit=False
        )
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(assigned)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(assigned)
        while any(consumer.position(partition) < ends[partition] for partition in assigned):
            for records in consumer.poll(timeout_ms=200).values():
                yield from records
        consumer.close()


# faults: each returns whether it has happened ----------------------------------------------------


def _dies(round_: Round, point: Point) -> bool:
    victim = round_.sink(point)
    round_.wait_for(lambda: not victim.is_alive() or round_.all_is_confirmed(), "it dies")
    died = not victim.is_alive()
    round_.kill(victim)
    round_.publish(RECORDS // 2)
    round_.sink()
    return died


def _pauses(round_: Round) -> bool:
    sleeper = round_.sink(Point.PAUSED)
    round_.wait_for(lambda: _stands_still(sleeper) or round_.all_is_confirmed(), "it stands still")
    stood = _stands_still(sleeper)
    round_.publish(RECORDS // 2)
    round_.sink()
    round_.wait_for(round_.all_is_confirmed, "another has done its work")
    _signal(sleeper, signal.SIGCONT)
    round_.publish(RECORDS // 4)  # which both of them share
    return stood


def _stands_still(process: ForkServerProcess) -> bool:
    assert process.pid is not None
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def _loses_a_reply(round_: Round) -> bool:
    proxy = LossyProxy(round_.arena.settings.clickhouse_port, nth=round_.chance.randint(1, 6))
    victim = round_.sink(port=proxy.port)
    round_.wait_for(lambda: proxy.lost or round_.all_is_confirmed(), "the reply is lost")
    if round_.chance.random() < 0.5:  # and then it dies, too
        round_.pause(0.05)
        round_.kill(victim)
        round_.sink()
    round_.publish(RECORDS // 2)
    round_.wait_for(round_.all_is_confirmed, "all is confirmed")
    proxy.close()
    return proxy.lost


def _storms(round_: Round) -> bool:
    sinks = [round_.sink() for _ in range(3)]
    for _ in range(round_.chance.randint(3, 6)):
        round_.pause(0.6)
        leaver = sinks.pop(round_.chance.randrange(len(sinks)))
        if round_.chance.random() < 0.5:
            round_.kill(leaver)
        else:
            leaver.terminate()
        sinks.append(round_.sink())
        round_.publish(RECORDS // 8)
    return True


def _loses_clickhouse(round_: Round, outage: Callable[[], None]) -> bool:
    round_.sink()
    round_.pause(0.5)
    outage()
    round_.publish(RECORDS // 2)
    return True


# playing -----------------------------------------------------------------------------------------


def play(
    arena: Arena,
    fault: str,
    seed: int,
    *,
    intents: bool = True,
    outage: Callable[[], None] | None = None,
) -> Outcome:
    """One round.

    Args:
        arena: Where.
        fault: One of `FAULTS`.
        seed: Of all chances in it.
        intents: Whether the sink declares what it writes.
        outage: Waits for the end of an outage of ClickHouse that rounds share.
    """
    started = time.monotonic()
    round_ = Round(arena, seed, intents=intents)
    try:
        round_.publish(RECORDS // 2)
        if fault == REPLY_LOST:
            happened = _loses_a_reply(round_)
        elif fault == REBALANCE_STORM:
            happened = _storms(round_)
        elif fault == CLICKHOUSE_KILLED:
            assert outage is not None
            happened = _loses_clickhouse(round_, outage)
        elif fault == Point.PAUSED:
            happened = _pauses(round_)
        else:
            happened = _dies(round_, Point(fault))
        round_.wait_for(round_.all_is_confirmed, "all is confirmed")
        found = round_.differences()
    except TimeoutError as error:
        happened, found = True, [str(error)]
    finally:
        round_.close()
    return Outcome(fault, seed, time.monotonic() - started, happened, tuple(found))


def play_all(
    arena: Arena,
    fault: str,
    seeds: range,
    *,
    intents: bool = True,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Rounds of one fault, some of them side by side; those of an outage share it."""
    outcomes = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(seeds.start, seeds.stop, AT_ONCE):
            group = range(start, min(start + AT_ONCE, seeds.stop))
            outage = _Outage(arena, len(group)) if fault == CLICKHOUSE_KILLED else None
            wait = outage.wait if outage else None
            rounds = [
                pool.submit(play, arena, fault, seed, intents=intents, outage=wait)
                for seed in group
            ]
            if outage:
                outage.strike(random.Random(start).uniform(0, 2))
            for round_ in rounds:
                outcomes.append(round_.result())
                report(outcomes[-1])
    return outcomes


class _Outage:
    """ClickHouse dies when all rounds are there, and comes back after a while."""

    def __init__(self, arena: Arena, rounds: int) -> None:
        assert arena.server is not None
        self._server = arena.server
        self._begin, self._end = threading.Barrier(rounds + 1), threading.Barrier(rounds + 1)

    def wait(self) -> None:
        """What a round does: it comes, and goes on when ClickHouse is back."""
        self._begin.wait(2 * ROUND_SECONDS)
        self._end.wait(2 * ROUND_SECONDS)

    def strike(self, seconds: float) -> None:
        """For the main thread: Linux ends a server with the thread that started it."""
        self._begin.wait(2 * ROUND_SECONDS)
        self._server.kill()
        time.sleep(seconds)
        self._server.start()
        self._end.wait(2 * ROUND_SECONDS)


def _wait_for_coordinators(settings: Settings) -> None:
    """A fresh broker makes the topic for commits when first asked, and all groups wait for it."""
    with KafkaAdminClient(bootstrap_servers=settings.kafka) as admin:
        deadline = time.monotonic() + ROUND_SECONDS
        while True:
            try:
                admin.list_group_offsets([f"group{number}" for number in range(20)])
            except KafkaError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


def _event(source: str, number: int) -> bytes:
    event = TrackingEvent(
        event_id=f"e{number}",
        source=source,
        event_type="IOT",
        code="BREADCRUMB",
        event_time=START + timedelta(minutes=number),
        unit_id=f"unit{number % 97}",
    )
    return event.model_dump_json().encode()


_context: multiprocessing.context.ForkServerContext | None = None


def _forks() -> multiprocessing.context.ForkServerContext:
    """Forks of a process that has nothing but imports, so that they are quick and safe."""
    global _context
    if _context is None:
        _context = multiprocessing.get_context("forkserver")
        _context.set_forkserver_preload([mortal_sink.__name__])
    return _context


@contextmanager
def arena() -> Iterator[Arena]:
    """Servers of one's own."""
    with tempfile.TemporaryDirectory(prefix="corridor-kills-") as directory:
        server = ClickHouse(Path(directory))
        server.start()
        try:
            with broker.kafka() as settings:
                yield Arena(
                    settings.model_copy(
                        update={
                            "clickhouse_port": server.port,
                            "clickhouse_http_port": server.http_port,
                            "clickhouse_database": "kills",
                        }
                    ),
                    server,
                )
        finally:
            server.kill()


def main() -> None:
    """Plays and prints; fails where something differs or, without intents, where nothing does."""
    parser = argparse.ArgumentParser(prog="python -m bench.sink_kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="of each fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--fault", choices=FAULTS, action="append", help="only this; may be repeated"
    )
    parser.add_argument("--without-intent", action="store_true")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    results: dict[str, list[Outcome]] = {}

    def report(outcome: Outcome) -> None:
        for difference in outcome.differences[:5]:
            console.print(f"{outcome.fault}, seed {outcome.seed}: {difference}")

    with arena() as place:
        for fault in arguments.fault or FAULTS:
            seeds = range(arguments.seed, arguments.seed + arguments.rounds)
            results[fault] = play_all(
                place, fault, seeds, intents=not arguments.without_intent, report=report
            )
            wrong = sum(bool(outcome.differences) for outcome in results[fault])
            console.print(f"{fault}: {len(seeds)} rounds, {wrong} with a difference")
    _print(results, as_json=arguments.as_json)
    wrong = any(outcome.differences for outcomes in results.values() for outcome in outcomes)
    sys.exit(wrong != arguments.without_intent)


def _print(results: dict[str, list[Outcome]], *, as_json: bool) -> None:
    table = Table("fault", "rounds", "in which it happened", "with a difference", "s a round")
    summary = {}
    for fault, outcomes in results.items():
        summary[fault] = {
            "rounds": len(outcomes),
            "happened": sum(outcome.happened for outcome in outcomes),
            "different": sum(bool(outcome.differences) for outcome in outcomes),
            "seconds": round(sum(outcome.seconds for outcome in outcomes) / len(outcomes), 2),
        }
        table.add_row(fault, *map(str, summary[fault].values()))
    if as_json:
        print(json.dumps(summary))
    else:
        Console().print(table)
    rounds = sum(entry["rounds"] for entry in summary.values())
    different = sum(entry["different"] for entry in summary.values())
    print(f"{rounds} rounds, {different} with a difference")


if __name__ == "__main__":
    main()
