"""Incidents and subscriptions, as short as tests need them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from corridor.codes import AlertKind, AlertState, Cause, Channel, Level
from corridor.identity import derived_id
from corridor.models import (
    Affected,
    Incident,
    PartyShare,
    Subscription,
    WebhookSettings,
    Why,
)
from sinks.subscribers import signing
from sinks.subscribers.sight import rank

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECRET = signing.PREFIX + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


def incident(
    subject: str = "G1",
    revision: int = 1,
    units: Mapping[str, Sequence[str]] | None = None,
    *,
    level: Level = Level.MAJOR,
    state: AlertState = AlertState.OPEN,
    delay: float = 7200.0,
    was: Sequence[str] = (),
    **changes: Any,
) -> Incident:
    """A delayed train.

    Args:
        subject: The train.
        revision: Of the incident.
        units: Who has which units in it; by default, one of `acme`.
        level: Of all units.
        state: Where it stands.
        delay: Seconds, of all units.
        was: Parties that it has touched, beside those with units.
        changes: Anything else.
    """
    units = {"acme": ["U1"]} if units is None else units
    over = state is AlertState.RESOLVED
    affected = (
        ()
        if over
        else tuple(
            Affected(
                unit_id=unit,
                shipment_id=f"S-{unit}",
                parties=(party,),
                leg_id="A-B.RAIL",
                level=level,
                delay_seconds=delay,
                expected_time=NOW + timedelta(seconds=delay),
            )
            for party, own in units.items()
            for unit in own
        )
    )
    key = f"DELAY/RUN/{subject}"
    values: dict[str, Any] = {
        "incident_id": derived_id("incident", key),
        "dedup_key": key,
        "revision": revision,
        "kind": AlertKind.DELAY,
        "cause": Cause.RUN,
        "subject": subject,
        "level": max((unit.level for unit in affected), key=rank, default=level),
        "state": state,
        "opened_time": NOW,
        "changed_time": NOW + timedelta(minutes=revision),
        "resolved_time": NOW if over else None,
        "as_of": NOW + timedelta(minutes=revision),
        "reason": f"Run {subject} is late ({len(affected)} units).",
        "why": Why(rule="DELAY.RAIL", value_seconds=delay, caused_by="rail/e1"),
        "leg_id": "A-B.RAIL",
        "affected": affected,
        "unit_count": len(affected),
        "shipment_count": len(affected),
        "parties": tuple(
            PartyShare(
                party=party,
                units=0 if over else len(units.get(party, ())),
                shipments=0 if over else len(units.get(party, ())),
            )
            for party in sorted({*units, *was})
        ),
        "caused_by": "rail/e1",
    }
    return Incident(**values | changes)


def worse(revision: int, subject: str = "G1", **changes: Any) -> Incident:
    """One that is later with each revision, by so much that it is worth telling."""
    return incident(subject, revision, delay=3600.0 * 2**revision, **changes)


def subscription(id: str = "sub_1", party: str = "acme", **changes: Any) -> Subscription:
    """A webhook that hears everything at once, and nothing twice."""
    values: dict[str, Any] = {
        "subscription_id": id,
        "party": party,
        "channel": WebhookSettings(
            type=Channel.WEBHOOK, url="https://example.org/hook", secrets=(SECRET,)
        ),
        "group_seconds": 0,
        "repeat_seconds": 0,
        "created_time": NOW,
        "updated_time": NOW,
    }
    return Subscription(**values | changes)
