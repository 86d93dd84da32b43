"""What people want to be done about an incident: the topic `alerts.commands`."""

import secrets
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from corridor import topics
from corridor.codes import Order
from corridor.models import AlertCommand, Incident


def order(
    incident: Incident,
    what: Order,
    *,
    party: str,
    by: str,
    until: datetime | None = None,
    comment: str = "",
) -> AlertCommand:
    """The command of a party; it counts for that party."""
    return AlertCommand(
        command_id=f"cmd_{secrets.token_hex(12)}",
        order=what,
        incident_id=incident.incident_id,
        dedup_key=incident.dedup_key,
        party=party,
        by=by,
        until=until,
        comment=comment,
        issued_time=datetime.now(UTC),
    )


async def give(producer: AIOKafkaProducer, command: AlertCommand) -> None:
    """Returns when the command is on Kafka.

    Raises:
        KafkaError: it may be or not.
    """
    await producer.send_and_wait(
        topics.COMMANDS.name, key=command.dedup_key.encode(), value=command.to_json()
    )
