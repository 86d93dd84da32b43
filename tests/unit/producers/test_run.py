"""Playing: what is counted, when it ends, and how fast it goes."""

from collections.abc import Iterator

import pytest

from corridor.codes import Reject
from corridor.models import DeadLetter
from producers.batches import Headers
from producers.replay.lines import parse
from producers.replay.record import Record
from producers.replay.run import KafkaTarget, Pace, Progress, Stop, play

SECOND = 1_000_000


def record(second: float, topic: str = "tracking.iot") -> Record:
    return Record(int(second * SECOND), topic, b"k", b"{}")


def letter() -> DeadLetter:
    result = parse(b"{", "f", 1)
    assert isinstance(result, DeadLetter)
    return result


class Memory:
    """A target that remembers."""

    def __init__(self, stop: Stop | None = None, stop_after: int = 0) -> None:
        self.records: list[Record] = []
        self.letters: list[DeadLetter] = []
        self._stop, self._stop_after = stop, stop_after

    def put(self, record: Record) -> None:
        self.records.append(record)
        if self._stop and len(self.records) == self._stop_after:
            self._stop.asked = True

    def reject(self, letter: DeadLetter) -> None:
        self.letters.append(letter)


class FakeTime:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def test_what_is_played_is_counted() -> None:
    target, progress = Memory(), Progress()
    items: list[Record | DeadLetter] = [record(1, "tracking.itineraries"), letter()]
    items += [record(2), record(3)]
    play(items, target, progress, stop=Stop())
    assert progress == Progress(itineraries=1, events=2, rejected=1, reached=3 * SECOND)
    assert [r.available for r in target.records] == [SECOND, 2 * SECOND, 3 * SECOND]
    assert [found.reason for found in target.letters] == [Reject.MALFORMED]


def test_a_limit_counts_messages() -> None:
    target = Memory()
    play([letter(), record(1), record(2), record(3)], target, Progress(), stop=Stop(), limit=2)
    assert len(target.records) == 2


def test_until_leaves_out_what_became_known_then() -> None:
    target = Memory()
    play(map(record, range(9)), target, Progress(), stop=Stop(), until=3 * SECOND)
    assert [r.available for r in target.records] == [0, SECOND, 2 * SECOND]


def test_a_stop_is_heard_between_messages() -> None:
    stop = Stop()
    target = Memory(stop, stop_after=4)
    play(map(record, range(9)), target, Progress(), stop=stop)
    assert len(target.records) == 4


def test_a_stop_is_heard_while_waiting() -> None:
    stop = Stop()
    time = FakeTime()

    def wait(seconds: float) -> None:
        stop.asked = True

    target = Memory()
    pace = Pace(1, wait, time.clock)
    play([record(0), record(3600)], target, Progress(), stop=stop, pace=pace)
    assert [r.available for r in target.records] == [0]


def test_a_stop_ends_a_wait_at_once() -> None:
    stop = Stop()
    stop.asked = True
    stop.wait(3600)


@pytest.mark.parametrize("speed", [1, 60, 86_400])
def test_time_passes_as_many_times_as_fast_as_asked(speed: float) -> None:
    time = FakeTime()
    pace = Pace(speed, time.wait, time.clock)
    play(map(record, [7, 7, 67, 3607]), Memory(), Progress(), stop=Stop(), pace=pace)
    assert time.waits == pytest.approx([60 / speed, 3540 / speed])


def test_a_replay_that_fell_behind_catches_up() -> None:
    time = FakeTime()
    pace = Pace(1, time.wait, time.clock)

    def items() -> Iterator[Record]:
        yield record(0)
        time.now += 50  # something took long
        yield record(10)
        yield record(60)

    play(items(), Memory(), Progress(), stop=Stop(), pace=pace)
    assert time.waits == [10]


class FakePublisher:
    """Remembers what it should publish."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, bytes, Headers]] = []

    def publish(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> None:
        self.published.append((topic, key, value, headers))


def test_a_later_availability_travels_as_a_header() -> None:
    publisher = FakePublisher()
    target = KafkaTarget(publisher)
    target.put(record(0))
    target.put(record(1.5)._replace(stated=True))
    assert [headers for *_, headers in publisher.published] == [
        (),
        (("available_time", b"1970-01-01T00:00:01.500000Z"),),
    ]


def test_a_bad_line_goes_to_the_quarantine_under_its_id() -> None:
    publisher = FakePublisher()
    KafkaTarget(publisher).reject(found := letter())
    ((topic, key, value, _),) = publisher.published
    assert (topic, key) == ("dead.letters", found.dead_letter_id.encode())
    assert DeadLetter.model_validate_json(value) == found
