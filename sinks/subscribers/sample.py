"""An incident that is none: what `test` sends."""

from datetime import UTC, datetime

from corridor.codes import AlertKind, AlertState, Cause, Level
from corridor.identity import derived_id
from corridor.models import Affected, Incident, PartyShare, Subscription, Why
from sinks.subscribers.attempt import Letter
from sinks.subscribers.message import cloud_event, message_id

KEY = "DELAY/RUN/TEST"


def sample(subscription: Subscription, now: datetime) -> Incident:
    """A delayed run that says of itself that it is a test."""
    return Incident(
        incident_id=derived_id("test", subscription.subscription_id),
        dedup_key=KEY,
        revision=1,
        kind=AlertKind.DELAY,
        cause=Cause.RUN,
        subject="TEST",
        level=Level.MINOR,
        state=AlertState.OPEN,
        opened_time=now,
        changed_time=now,
        as_of=now,
        reason="This is a test: nothing is late.",
        why=Why(rule="TEST", caused_by="test"),
        affected=(
            Affected(
                unit_id="TEST0000000",
                shipment_id="TEST",
                parties=(subscription.party,),
                leg_id="TEST",
                level=Level.MINOR,
            ),
        ),
        unit_count=1,
        shipment_count=1,
        parties=(PartyShare(party=subscription.party, units=1, shipments=1),),
        caused_by="test",
    )


def trial(subscription: Subscription, url: str) -> Letter:
    """A test message."""
    now = datetime.now(UTC)
    incident = sample(subscription, now)
    id = message_id(subscription.subscription_id, "test", 1, int(now.timestamp() * 1000))
    return Letter(id, incident, cloud_event(incident, url))
