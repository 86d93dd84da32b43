"""Holds a replay back until the pipeline has digested what it was told.

History is replayed thousands of times as fast as it was lived, so that a second between worker
and learner is days: estimates would be made by models that are far behind. Here at most so much
event time is published beyond what the workers have applied and the learner has learned from.
The source waits, and nobody else: what is held back is on no topic yet, so nothing can wait for it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError, KafkaError, LeaderNotAvailableError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from corridor import topics
from corridor.settings import Settings

POLL_SECONDS = 0.02
GIVE_UP_SECONDS = 60.0
"""When nothing is digested for so long, the replay goes on by itself."""

Offsets = dict[TopicPartition, int]

_patiently = Retrying(
    retry=retry_if_exception_type(KafkaError),  # a broker that starts again
    wait=wait_fixed(0.5),
    stop=stop_after_delay(GIVE_UP_SECONDS),
    reraise=True,
)


@dataclass
class Mark:
    """A point of event time, and where the topics ended when all before it was published."""

    available: int
    """Microseconds since 1970; all that became known before is published."""
    workers: Offsets
    """What the workers have to commit."""
    derived: Offsets = field(default_factory=dict)
    """And of what they have told each other, once they have committed that."""
    lessons: int | None = None
    """What the learner has to commit, once the workers have said all lessons."""


class Pipeline(Protocol):
    """Those who digest what is published."""

    def mark(self, available: int) -> Mark:
        """Makes durable what was published, and notes it."""

    def digested(self, mark: Mark) -> bool:
        """Whether all before a mark is applied, and learned."""

    def told(self, available: int) -> None:
        """Says that all before a point of event time is told, so that its timers are due."""

    def trouble(self) -> str | None:
        """Why nothing can be waited for, or None."""


class Staleness:
    """Keeps a replay within a span of event time beyond what is digested."""

    def __init__(
        self,
        span: int,
        pipeline: Pipeline,
        wait: Callable[[float], object],
        tell: Callable[[str], None],
        *,
        asked_to_stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins with the first message.

        Args:
            span: Microseconds of event time.
            pipeline: Who digests.
            wait: Lets seconds pass.
            tell: Is told, in a sentence, when it does not hold back any more.
            asked_to_stop: Ends a wait.
            clock: Seconds.
        """
        self._span, self._step = span, max(1, span // 2)  # one half is digested, one published
        self._pipeline, self._wait, self._tell = pipeline, wait, tell
        self._asked_to_stop, self._clock = asked_to_stop, clock
        self._marks: deque[Mark] = deque()
        self._digested: int | None = None
        self._next_mark = 0
        self._bound: float = float("-inf")
        self.waited = 0.0
        """Seconds."""

    def keep(self, available: int) -> None:
        """Waits until a message may be published."""
        if available >= self._bound:
            self._pass(available)

    def _pass(self, available: int) -> None:
        if self._digested is None:
            if (trouble := self._pipeline.trouble()) is not None:
                self._let_go(trouble)
                return
            self._digested, self._next_mark = available, available + self._step
        if available >= self._next_mark:
            self._marks.append(self._pipeline.mark(available))
            self._next_mark = available + self._step
        while self._marks and available > self._digested + self._span:
            if not self._await(self._marks[0]):
                return
            self._digested = self._marks.popleft().available
            self._pipeline.told(self._digested)
        self._bound = min(self._next_mark, self._digested + self._span + 1)

    def _await(self, mark: Mark) -> bool:
        """Whether a mark is digested, after a while; False: the replay goes on without."""
        began = self._clock()
        while not self._pipeline.digested(mark):
            if self._asked_to_stop():
                return False
            if self._clock() - began > GIVE_UP_SECONDS:
                why = self._pipeline.trouble() or "workers or learner do not get on"
                self._let_go(f"{why} ({GIVE_UP_SECONDS:.0f} s)")
                return False
            self._wait(POLL_SECONDS)
        self.waited += self._clock() - began
        return True

    def _let_go(self, why: str) -> None:
        self._tell(f"{why}: the replay does not wait for what is learned")
        self._bound = float("inf")


_INPUTS = [topic.name for topic in topics.UNIT_TOPICS]
_DERIVED = {topics.FANOUT.name, topics.IOT.name}
"""What workers write that workers read."""
_LESSONS = TopicPartition(topics.LESSONS.name, 0)


class KafkaPipeline:
    """Workers and learner, by the offsets that they have committed."""

    def __init__(self, settings: Settings, flush: Callable[[], None]) -> None:
        """Connects.

        Args:
            settings: Where Kafka is.
            flush: Makes durable what was published.
        """
        self._settings, self._flush = settings, flush
        self._admin = KafkaAdminClient(**settings.kafka_client())
        self._consumer = KafkaConsumer(**settings.kafka_client(), enable_auto_commit=False)
        self._inputs = [
            TopicPartition(name, number)
            for name in _INPUTS
            for number in sorted(self._consumer.partitions_for_topic(name) or ())
        ]
        self._derived = [tp for tp in self._inputs if tp.topic in _DERIVED]
        self._producer = KafkaProducer(**settings.kafka_client())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._producer.close()
        self._admin.close()
        self._consumer.close()

    def mark(self, available: int) -> Mark:
        self._flush()
        return Mark(available, _patiently(self._ends, self._inputs))

    def digested(self, mark: Mark) -> bool:
        try:
            return self._digested(mark)
        except KafkaError:  # a broker that starts again
            return False

    def _digested(self, mark: Mark) -> bool:
        if mark.lessons is None:
            if not self._committed(self._settings.worker_group, mark.workers):
                return False
            if mark.derived:
                mark.lessons = self._ends([_LESSONS])[_LESSONS]
            else:
                ends = self._ends([*self._derived, _LESSONS])
                lessons = ends.pop(_LESSONS)
                if ends.items() <= mark.workers.items():  # nothing was derived
                    mark.lessons = lessons
                else:
                    mark.derived = mark.workers = ends
                    return False
        return self._committed(self._settings.learner_group, {_LESSONS: mark.lessons})

    def told(self, available: int) -> None:
        for tp in self._inputs:
            if tp.topic == topics.FANOUT.name:
                value = b"%d" % available
                self._producer.send(tp.topic, value, topics.TOLD_UNTIL, partition=tp.partition)

    def trouble(self) -> str | None:
        try:
            group = self._admin.describe_groups([self._settings.learner_group])
            members: Any = group[self._settings.learner_group].get("members")
        except KafkaError as error:
            return f"Kafka does not say whether there is a learner ({error})"
        return None if members else "no learner runs"

    def _ends(self, partitions: Iterable[TopicPartition]) -> Offsets:
        try:
            ends: Offsets = self._consumer.end_offsets(list(partitions))
        except KeyError as partition:  # kafka-python 3.0.12 says so of one without a leader
            raise LeaderNotAvailableError(str(partition)) from partition
        return ends

    def _committed(self, group: str, wanted: Offsets) -> bool:
        """Whether a group has come to these offsets; where nothing ever was, nothing is missing."""
        try:
            offsets = self._admin.list_group_offsets(group)[group]
        except GroupIdNotFoundError:
            offsets = {}
        return all(
            end == 0 or (tp in offsets and offsets[tp].offset >= end) for tp, end in wanted.items()
        )
