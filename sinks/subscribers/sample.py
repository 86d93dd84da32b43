"""An incident that is none: what `test` sends."""

from datetime import datetime

from corridor.codes import AlertKind, AlertState, Cause, Level
from corridor.identity import derived_id
from corridor.models import Affected, Incident, PartyShare, Subscription, Why

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
