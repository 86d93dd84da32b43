"""What stands, and what was said lately: the incidents as this process has read them from Kafka.

A record is read once and kept once, as bytes; whoever needs it looks at it through `seen`. The log
is bounded by its bytes: what has left it is in ClickHouse, and who asks for it hears of the gap.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from corridor.alerting.notices import explained_no_more, explains
from corridor.codes import AlertState
from corridor.models import Incident
from sinks.subscribers.sight import concerns, seen

LOG_BYTES = 128 * 1024 * 1024
"""What the log in memory may hold; a resume from before it is a gap."""
OVER_KEPT = 20_000
"""Incidents that are over and still shown."""

Names = frozenset[str]


class Entry(NamedTuple):
    """One revision in the log."""

    number: int
    """Its place in this process's log."""
    partition: int
    offset: int
    time_ms: int
    """Of the record, since 1970."""
    raw: bytes

    @property
    def incident(self) -> Incident:
        """What it says."""
        return _decoded(self.raw)


@lru_cache(maxsize=2_000)
def _decoded(raw: bytes) -> Incident:
    return Incident.model_validate_json(raw)


class Standing:
    """The newest revision of one incident."""

    __slots__ = ("_views", "freed", "incident", "news", "partition")

    def __init__(
        self, incident: Incident, partition: int, news: int, freed: tuple[str, ...] = ()
    ) -> None:
        self.incident = incident
        self.partition = partition
        self.news = news
        """The newest revision since it opened that is not merely late; 0: all are."""
        self.freed = freed
        """`dedup_key`s of incidents that the revision before explained, and this one does not."""
        self._views: dict[tuple[str, Names], Incident | None] = {}


Listener = Callable[[Entry], None]


class Board:
    """All incidents, and the log of what was said of them."""

    def __init__(self, partitions: int, *, log_bytes: int = LOG_BYTES) -> None:
        """An empty one.

        Args:
            partitions: Of the topic.
            log_bytes: What the log may hold.
        """
        self.positions = [0] * partitions
        """Per partition, the offset that comes next."""
        self.listeners: list[Listener] = []
        self._log: deque[Entry] = deque()
        self._bytes = 0
        self._most_bytes = log_bytes
        self._next_number = 0
        self._in_partition: list[deque[Entry]] = [deque() for _ in range(partitions)]
        self._standing: dict[str, Standing] = {}
        self._over: OrderedDict[str, Standing] = OrderedDict()
        self._keys: dict[str, str] = {}
        self._of_party: dict[str, set[str]] = defaultdict(set)
        self._revisions: dict[str, deque[Entry]] = {}

    # writing -----------------------------------------------------------------------------------

    def take(self, partition: int, offset: int, time_ms: int, raw: bytes) -> Entry:
        """Takes the next record of a partition.

        Raises:
            ValidationError: it is no incident; the place in the log counts all the same.
        """
        self.positions[partition] = offset + 1
        entry = Entry(self._next_number, partition, offset, time_ms, raw)
        incident = entry.incident
        self._next_number += 1
        self._append(entry, incident.incident_id)
        self._place(incident, partition)
        for listener in self.listeners:
            listener(entry)
        return entry

    def _append(self, entry: Entry, incident_id: str) -> None:
        self._log.append(entry)
        self._in_partition[entry.partition].append(entry)
        self._revisions.setdefault(incident_id, deque()).append(entry)
        self._bytes += len(entry.raw)
        while self._bytes > self._most_bytes and len(self._log) > 1:
            oldest = self._log.popleft()
            self._bytes -= len(oldest.raw)
            self._in_partition[oldest.partition].popleft()
            of = oldest.incident.incident_id
            self._revisions[of].popleft()
            if not self._revisions[of]:
                del self._revisions[of]

    def _place(self, incident: Incident, partition: int) -> None:
        id = incident.incident_id
        known = self.standing(id)
        if known is not None and known.incident.revision >= incident.revision:
            return  # said again, after a crash of who says it
        over = incident.state is AlertState.RESOLVED
        news = known.news if known and known.incident.state is not AlertState.RESOLVED else 0
        if not over and not incident.late:
            news = incident.revision
        freed = explained_no_more(known.incident, incident) if known is not None else ()
        standing = Standing(incident, partition, news, freed)
        self._keys[incident.dedup_key] = id
        self._over.pop(id, None)
        if over:
            self._standing.pop(id, None)
            self._over[id] = standing
            while len(self._over) > OVER_KEPT:
                self._forget(self._over.popitem(last=False)[1].incident)
        else:
            self._standing[id] = standing
        for share in incident.parties:
            self._of_party[share.party].add(id)

    def _forget(self, incident: Incident) -> None:
        self._keys.pop(incident.dedup_key, None)
        for share in incident.parties:
            self._of_party[share.party].discard(incident.incident_id)

    # reading -----------------------------------------------------------------------------------

    def standing(self, incident_id: str) -> Standing | None:
        """The newest revision of an incident, also where it is over."""
        return self._standing.get(incident_id) or self._over.get(incident_id)

    def ids(self, names: Names) -> set[str]:
        """The incidents that concern who has these names."""
        return set().union(*(self._of_party.get(name, ()) for name in names))

    def view(self, standing: Standing, party: str, names: Names) -> Incident | None:
        """The newest revision of an incident as a party sees it."""
        views, key = standing._views, (party, names)
        if key not in views:
            views[key] = self.see(standing.incident, party, names)
        return views[key]

    def see(self, incident: Incident, party: str, names: Names) -> Incident | None:
        """Any revision as a party sees it."""
        return seen(incident, party, names, lambda key: self.visible(key, names))

    def visible(self, dedup_key: str, names: Names) -> bool:
        """Whether who has these names sees the incident with this key."""
        standing = self.standing(self._keys.get(dedup_key, ""))
        return standing is not None and concerns(standing.incident, names)

    def explaining(self, seen: Incident, party: str, names: Names) -> Incident | None:
        """The standing incident that explains one, both as a party sees them."""
        parent = None if seen.parent is None else self.by_key(seen.parent)
        if parent is None or not explains(parent.incident, seen):
            return None
        view = self.view(parent, party, names)
        return None if view is None or view.state is AlertState.RESOLVED else view

    def by_key(self, dedup_key: str) -> Standing | None:
        """The newest revision of the incident with this key."""
        return self.standing(self._keys.get(dedup_key, ""))

    def revisions(self, incident_id: str) -> Sequence[Entry]:
        """What the log still has of an incident, oldest first."""
        return tuple(self._revisions.get(incident_id, ()))

    # the log -----------------------------------------------------------------------------------

    @property
    def end(self) -> int:
        """The number that the next entry will have."""
        return self._next_number

    @property
    def begin(self) -> int:
        """The number of the oldest entry that is still there."""
        return self._log[0].number if self._log else self._next_number

    def since(self, number: int) -> Iterator[Entry]:
        """Entries from a number on, until the end or until they have left the log."""
        while number < self._next_number:
            if number < self.begin:
                return
            yield self._log[number - self.begin]
            number += 1

    def place(self, positions: Mapping[int, int]) -> int | None:
        """The number from which on entries may be new to who has read up to these offsets.

        None: some of what came after them has left the log, or they are of another topic.
        """
        number = self._next_number
        for partition, position in positions.items():
            if partition >= len(self.positions) or position > self.positions[partition]:
                return None  # the topic was made anew
            if position == self.positions[partition]:
                continue
            kept = self._in_partition[partition]
            if not kept or kept[0].offset > position:
                return None
            number = min(number, next(entry.number for entry in _from(kept, position)))
        return number


def _from(entries: deque[Entry], offset: int) -> Iterator[Entry]:
    """Those of one partition from an offset on; looks from the end, where resumes mostly are."""
    skipped = len(entries)
    for entry in reversed(entries):
        if entry.offset < offset:
            break
        skipped -= 1
    return (entries[index] for index in range(skipped, len(entries)))
