"""Incidents: one root cause, with the units that it concerns.

An incident lives where the records with its key are read. Its members are told one by one, each as
a whole, and the newest word on each holds; so the order of members does not matter, and what comes
twice changes nothing. `take` and `command` change the state, `message` says what it has come to.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from corridor.alerting import places
from corridor.alerting.alarm import Reading
from corridor.alerting.alerts import Alert
from corridor.alerting.places import Place
from corridor.alerting.rules import LEVELS, PLACES, Places
from corridor.alerting.wording import sentence
from corridor.codes import AlertFlag, AlertKind, AlertState, Cause, Mode, Order
from corridor.identity import derived_id
from corridor.models import (
    MOST_AFFECTED,
    Affected,
    AlertCommand,
    Handling,
    Incident,
    PartyShare,
    Why,
)

KEEP = timedelta(days=400)
"""How long an incident that is over is remembered: its key may be named once more."""

MOST_HANDLINGS = 50

MOST_CHILDREN = 200
"""Incidents that are listed as explained by one."""

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class Member(msgspec.Struct, array_like=True, gc=False):
    """One unit on one leg, as it was last told. Fields may be appended, never moved."""

    revision: int
    state: AlertState
    level: int = 0
    unit_id: str = ""
    shipment_id: str = ""
    leg_id: str = ""
    parties: tuple[str, ...] = ()
    flags: tuple[AlertFlag, ...] = ()
    reading: Reading | None = None
    parent: str | None = None
    run_key: str | None = None
    """Of a place: the incident of its run."""

    @property
    def standing(self) -> bool:
        return self.state is not AlertState.RESOLVED


class Handled(msgspec.Struct, array_like=True, frozen=True):
    """An order that holds."""

    command_id: str
    order: Order
    party: str | None
    by: str
    since: datetime
    until: datetime | None


class Gathered(msgspec.Struct, array_like=True):
    """The state of one incident. Fields may be appended, never moved."""

    key: str
    kind: AlertKind
    cause: Cause
    subject: str
    members: dict[str, Member] = {}
    revision: int = 0
    state: AlertState | None = None
    level: int = 0
    """The worst now, or at the end."""
    opened: datetime | None = None
    changed: datetime | None = None
    resolved: datetime | None = None
    as_of: datetime = _BEGINNING
    caused_by: str = ""
    last: Reading | None = None
    """Of the member that was told last."""
    tally: dict[str, int] = {}
    """How many members have each state and level that stands, so that none is counted anew."""
    corridor_id: str | None = None
    leg_id: str | None = None
    from_node: str = ""
    to_node: str = ""
    mode: Mode | None = None
    parties: dict[str, None] = {}
    """All that it has ever concerned: they hear of its end."""
    handled: list[Handled] = []
    place: Place | None = None
    """Of a place: what makes it stand."""

    @property
    def standing(self) -> bool:
        return self.state in (AlertState.OPEN, AlertState.CLEARING)

    @property
    def concerned(self) -> Iterator[Member]:
        """The members that it stands for."""
        if self.place is None:
            return (member for member in self.members.values() if member.standing)
        return (
            member
            for _, run in self.place.late()
            for name in run.members
            if (member := self.members[name]).standing
        )


def gathered(alert: Alert) -> Gathered:
    """A new incident."""
    place = None if alert.run_key is None else Place()
    return Gathered(alert.key, alert.kind, alert.cause, alert.subject, place=place)


def take(incident: Gathered, alert: Alert, rules: Places = PLACES) -> bool:
    """Takes the newest word on one member; whether there is anything to say of that."""
    known = incident.members.get(alert.member)
    if known is not None and alert.revision < known.revision:
        return False
    over = alert.state is AlertState.RESOLVED
    member = Member(alert.revision, alert.state, run_key=alert.run_key)
    if not over:
        member = Member(
            alert.revision,
            alert.state,
            alert.level,
            alert.unit_id,
            alert.shipment_id,
            alert.leg_id,
            alert.parties,
            alert.flags,
            alert.reading,
            alert.parent,
            alert.run_key,
        )
    if member == known:
        return False
    place, news = incident.place, False
    if place is not None:
        news = pass_time(incident, alert.as_of, rules)
        places.pass_time(place, alert.as_of, rules)
    if place is None or _move(place, alert.member, known, member, alert.as_of, rules):
        incident.members[alert.member] = member
    else:
        incident.members.pop(alert.member, None)
    if over and (known is None or not known.standing):
        return news  # but what comes after it, and is older, has been overtaken
    if place is None:
        _count(incident.tally, known, -1)
        _count(incident.tally, member, +1)
    first = not incident.to_node
    shared = incident.corridor_id, incident.leg_id, incident.mode
    if first or incident.corridor_id != alert.corridor_id:
        incident.corridor_id = alert.corridor_id if first else None
    if first or incident.leg_id != alert.leg_id:
        incident.leg_id = alert.leg_id if first else None
    if first or incident.mode is not alert.mode:
        incident.mode = alert.mode if first else None
    incident.from_node, incident.to_node = alert.from_node, alert.to_node
    if place is not None:
        assert alert.run_key is not None
        runs = {alert.run_key: alert.parties}
        if known is not None and known.run_key is not None:
            runs.setdefault(known.run_key, ())
        other = shared != (incident.corridor_id, incident.leg_id, incident.mode)
        if not _settle_place(incident, rules, runs, other=other):
            return news
    incident.caused_by = alert.reading.caused_by
    incident.last = alert.reading
    if place is None:
        incident.parties |= dict.fromkeys(alert.parties)
        _settle(incident, alert.as_of)
    return True


def pass_time(incident: Gathered, now: datetime, rules: Places) -> bool:
    """Does what a place has come to by a time, with nothing told since; whether to say it."""
    place, news = incident.place, False
    if place is None:
        return False
    while (look := places.next_look(place, incident.state, rules)) is not None and look <= now:
        places.pass_time(place, look, rules)
        if _settle_place(incident, rules, {}):
            incident.caused_by, news = "clock", True
    return news


def command(incident: Gathered, order: AlertCommand) -> bool:
    """Does what somebody wants; whether anything has changed."""
    if any(handled.command_id == order.command_id for handled in incident.handled):
        return False
    if order.order is Order.CLOSE:
        if not incident.standing or order.party is not None:
            return False
        for member in incident.members.values():
            member.state = AlertState.RESOLVED
        incident.tally = {}
        if incident.place is not None:
            places.close(incident.place)
        incident.caused_by = f"command/{order.command_id}"
        _settle(incident, order.issued_time)
        return True
    undone = {Order.UNACK: Order.ACK, Order.UNSILENCE: Order.SILENCE}.get(order.order, order.order)
    left = [h for h in incident.handled if (h.order, h.party) != (undone, order.party)]
    if undone is order.order:
        left.append(
            Handled(order.command_id, undone, order.party, order.by, order.issued_time, order.until)
        )
    elif len(left) == len(incident.handled):
        return False
    incident.handled = left[-MOST_HANDLINGS:]
    incident.as_of = max(incident.as_of, order.issued_time)
    incident.caused_by = f"command/{order.command_id}"
    incident.revision += 1
    return True


def _move(
    place: Place,
    name: str,
    known: Member | None,
    member: Member,
    as_of: datetime,
    rules: Places,
) -> bool:
    """Counts a member of a place for its run; whether there is anything to remember of it."""
    assert member.run_key is not None
    if member.standing:
        places.begin(place, member.run_key, as_of, rules)
    if known is not None and known.run_key is not None:
        run = place.runs.get(known.run_key)
        if run is not None:
            _count(run.tally, known, -1)
            if known.run_key != member.run_key:
                run.members.pop(name, None)
    run = place.runs.get(member.run_key)
    if run is None:
        return False  # over, like all of its run
    run.members[name] = None
    _count(run.tally, member, +1)
    return True


def _settle_place(
    incident: Gathered,
    rules: Places,
    told: Mapping[str, tuple[str, ...]],
    *,
    other: bool = False,
) -> bool:
    """Derives state and level of a place; whether there is anything to say.

    Args:
        incident: The place's.
        rules: Say what is unusual.
        told: The runs of which something was told, and the parties that this concerns.
        other: What all its members have in common has changed.
    """
    place = incident.place
    assert place is not None
    assert place.as_of is not None
    before = incident.state, incident.level
    known = {key for key, run in place.runs.items() if run.explained}
    state = places.judge(place, incident.state, rules)
    explained = {key for key, run in place.runs.items() if run.explained}
    concerned = not explained.isdisjoint(told)
    for name in places.forgotten(place, rules):
        incident.members.pop(name, None)
    if state is before[0] and not (incident.standing and (concerned or other)):
        return False
    incident.as_of = max(incident.as_of, place.as_of)
    assert state is not None
    incident.revision += 1
    if not incident.standing:
        incident.parties, incident.opened = {}, incident.as_of  # what comes back is new
    for key in explained & told.keys():
        incident.parties |= dict.fromkeys(told[key])
    for key in explained - known:
        for name in place.runs[key].members:
            incident.parties |= dict.fromkeys(incident.members[name].parties)
    worst = max((max(run.tally) for _, run in place.late()), default=None)
    incident.state = state
    if state is AlertState.RESOLVED:
        incident.resolved, incident.handled = incident.as_of, []
    else:
        incident.resolved = None
        incident.level = incident.level if worst is None else int(worst[0])
    if before != (incident.state, incident.level):
        incident.changed = incident.as_of
    return True


def _count(tally: dict[str, int], member: Member | None, by: int) -> None:
    if member is not None and member.standing:
        name = f"{member.level} {member.state}"
        tally[name] = tally.get(name, 0) + by
        if not tally[name]:
            del tally[name]


def _settle(incident: Gathered, as_of: datetime) -> None:
    """Derives state and level from the members."""
    incident.revision += 1
    incident.as_of = max(incident.as_of, as_of)
    before = incident.state, incident.level
    if incident.tally:
        is_open = any(name.endswith(AlertState.OPEN) for name in incident.tally)
        incident.state = AlertState.OPEN if is_open else AlertState.CLEARING
        incident.level = int(max(incident.tally)[0])
        incident.opened = incident.opened or incident.as_of
        incident.resolved = None
    else:
        incident.state = AlertState.RESOLVED
        incident.resolved = incident.resolved or incident.as_of
        incident.handled = []  # what comes back is new
    if before != (incident.state, incident.level):
        incident.changed = incident.as_of


def _badness(member: Member) -> tuple[int, float, str, str]:
    value = member.reading.value if member.reading is not None else None
    return -member.level, -(value or 0.0), member.unit_id, member.shipment_id


def release_time(incident: Gathered) -> datetime | None:
    """When it may be forgotten; None: it stands."""
    if incident.place is not None:
        heard = incident.place.as_of or incident.as_of
        return None if incident.standing else heard + KEEP
    return None if incident.resolved is None else incident.resolved + KEEP


def next_time(incident: Gathered, rules: Places) -> datetime | None:
    """When time alone changes it, or it may be forgotten."""
    look = None
    if incident.place is not None:
        look = places.next_look(incident.place, incident.state, rules)
    return look or release_time(incident)


def incident_id(key: str) -> str:
    """The id that an incident with this key has, whenever it comes."""
    return derived_id("incident", key)


def message(incident: Gathered, *, late: bool) -> Incident:
    """What there is to say of it now; `late`: all that is new in it only corrects history."""
    standing = sorted(incident.concerned, key=_badness)
    children = () if incident.place is None else sorted(key for key, _ in incident.place.late())
    state, changed = incident.state, incident.changed
    why = standing[0].reading if standing else incident.last
    assert state is not None
    assert changed is not None
    assert why is not None
    units: dict[str, set[str]] = {party: set() for party in incident.parties}
    shipments: dict[str, set[str]] = {party: set() for party in incident.parties}
    for member in standing:
        for party in member.parties:
            units[party].add(member.unit_id)
            shipments[party].add(member.shipment_id)
    count = len({member.unit_id for member in standing})
    threshold = None
    if why.thresholds and incident.level:
        threshold = why.thresholds[incident.level - 1]
    flags = Counter(flag for member in standing for flag in member.flags)
    level = LEVELS[max(incident.level, 1) - 1]
    return Incident.trusted(
        incident_id=incident_id(incident.key),
        dedup_key=incident.key,
        revision=incident.revision,
        kind=incident.kind,
        cause=incident.cause,
        subject=incident.subject,
        level=level,
        state=state,
        # of the whole only what holds for all of it
        flags=tuple(f for f in AlertFlag if flags[f] and flags[f] == len(standing)),
        opened_time=incident.opened,
        changed_time=changed,
        resolved_time=incident.resolved,
        as_of=incident.as_of,
        late=late,
        reason=sentence(incident, why, count, level, len(children)),
        why=Why.trusted(
            rule=why.rule,
            fact=why.fact,
            probability=why.probability,
            opens_at=why.opens_at,
            clears_at=why.clears_at,
            threshold_seconds=threshold,
            value_seconds=why.value,
            planned_time=why.planned,
            expected_time=why.expected,
            since=why.since,
            node_id=why.node_id,
            evidence=why.evidence,
            model_version=why.model_version,
            caused_by=why.caused_by,
        ),
        corridor_id=incident.corridor_id,
        leg_id=incident.leg_id,
        node_id=why.node_id if incident.place is None else incident.subject,
        mode=incident.mode,
        affected=tuple(_affected(member) for member in standing[:MOST_AFFECTED]),
        unit_count=count,
        shipment_count=len({member.shipment_id for member in standing}),
        parties=tuple(
            PartyShare.trusted(party=p, units=len(units[p]), shipments=len(shipments[p]))
            for p in sorted(units)
        ),
        parent=_parent(incident.kind, standing),
        children=tuple(children[:MOST_CHILDREN]),
        handling=tuple(
            Handling.trusted(order=h.order, party=h.party, by=h.by, since=h.since, until=h.until)
            for h in incident.handled
        ),
        caused_by=incident.caused_by,
    )


def _affected(member: Member) -> Affected:
    reading = member.reading
    return Affected.trusted(
        unit_id=member.unit_id,
        shipment_id=member.shipment_id,
        parties=member.parties,
        leg_id=member.leg_id,
        level=LEVELS[max(member.level, 1) - 1],
        expected_time=None if reading is None else reading.expected,
        delay_seconds=None if reading is None else reading.value,
    )


def _parent(kind: AlertKind, standing: Iterable[Member]) -> str | None:
    """The incident that explains it, if one explains all its members; of a place, most of them."""
    parents = Counter(member.parent for member in standing)
    if kind in places.KINDS and parents:
        most = max(parents.values())
        return min((parent or "" for parent, n in parents.items() if n == most)) or None
    return next(iter(parents)) if len(parents) == 1 else None
