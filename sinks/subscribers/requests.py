"""What subscribers send and get over REST, beside incidents themselves."""

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from corridor.codes import AlertState, Channel, Level
from corridor.models import (
    EmailSettings,
    Filters,
    Id,
    Incident,
    Override,
    Part,
    QuietHours,
    SseSettings,
    Subscription,
    Time,
    WebhookSettings,
)
from sinks.subscribers import signing

MOST = 1_000
"""Items of a list in a request."""
LONGEST_SECONDS = 366 * 86_400.0


class _Asked(BaseModel):
    """A request: what it does not know is a mistake of who sends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookAsked(_Asked):
    """Where a webhook goes."""

    type: Literal[Channel.WEBHOOK]
    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://")]
    secret: str | None = Field(
        None, max_length=200, description="`whsec_…`; without one, a secret is made."
    )

    @field_validator("secret")
    @classmethod
    def _check(cls, secret: str | None) -> str | None:
        if secret is not None:
            signing.key(secret)
        return secret


Ids = Annotated[tuple[Id, ...], Field(max_length=MOST)]


class FiltersAsked(Filters):
    """Which incidents are meant; each that is given must fit, an empty one fits all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corridor_ids: Ids = ()
    leg_ids: Ids = ()
    node_ids: Ids = ()
    unit_ids: Ids = ()
    shipment_ids: Ids = ()


class SubscriptionAsked(_Asked):
    """A subscription as its party wants it."""

    name: str = Field("", max_length=200)
    enabled: bool = True
    filters: FiltersAsked = FiltersAsked()
    channel: Annotated[WebhookAsked | EmailSettings | SseSettings, Field(discriminator="type")]
    group_seconds: float = Field(300, ge=0, le=LONGEST_SECONDS)
    repeat_seconds: float = Field(86_400, ge=0, le=LONGEST_SECONDS)
    quiet_hours: QuietHours | None = None
    overrides: tuple[Override, ...] = Field((), max_length=100)

    @field_validator("quiet_hours")
    @classmethod
    def _check_zone(cls, quiet: QuietHours | None) -> QuietHours | None:
        if quiet is not None:
            try:
                ZoneInfo(quiet.time_zone)
            except (ValueError, OSError, KeyError):
                raise ValueError("no such time zone") from None
        return quiet


def build(
    asked: SubscriptionAsked, *, id: str, party: str, now: datetime, old: Subscription | None = None
) -> Subscription:
    """The subscription that is asked for; what it does not say of secrets stays as it was."""
    channel: WebhookSettings | EmailSettings | SseSettings
    if isinstance(asked.channel, WebhookAsked):
        kept = old.channel.secrets if old and isinstance(old.channel, WebhookSettings) else ()
        secrets = (
            (asked.channel.secret,) if asked.channel.secret else kept or (signing.new_secret(),)
        )
        channel = WebhookSettings(type=Channel.WEBHOOK, url=asked.channel.url, secrets=secrets)
    else:
        channel = asked.channel
    return Subscription(
        subscription_id=id,
        party=party,
        name=asked.name,
        enabled=asked.enabled,
        filters=Filters.model_validate(asked.filters.model_dump()),
        channel=channel,
        group_seconds=asked.group_seconds,
        repeat_seconds=asked.repeat_seconds,
        quiet_hours=asked.quiet_hours,
        overrides=asked.overrides,
        created_time=old.created_time if old else now,
        updated_time=now,
    )


class ChannelShown(Part):
    """How a subscriber is told; secrets are not shown."""

    type: Channel
    url: str | None = None
    address: str | None = None
    secrets: int | None = Field(None, description="How many; two while they are being rotated.")


class SubscriptionShown(Part):
    """A subscription."""

    subscription_id: Id
    name: str
    enabled: bool
    disabled_reason: str | None
    filters: Filters
    channel: ChannelShown
    group_seconds: float
    repeat_seconds: float
    quiet_hours: QuietHours | None
    overrides: tuple[Override, ...]
    created_time: Time
    updated_time: Time


class SubscriptionMade(SubscriptionShown):
    """A new subscription, with the secret that is shown this once."""

    secret: str | None = None


class Secret(Part):
    """A new secret, shown this once."""

    secret: str


def shown(subscription: Subscription) -> SubscriptionShown:
    """A subscription without its secrets."""
    channel = subscription.channel
    return SubscriptionShown(
        subscription_id=subscription.subscription_id,
        name=subscription.name,
        enabled=subscription.enabled,
        disabled_reason=subscription.disabled_reason,
        filters=subscription.filters,
        channel=ChannelShown(
            type=channel.type,
            url=channel.url if isinstance(channel, WebhookSettings) else None,
            address=channel.address if isinstance(channel, EmailSettings) else None,
            secrets=len(channel.secrets) if isinstance(channel, WebhookSettings) else None,
        ),
        group_seconds=subscription.group_seconds,
        repeat_seconds=subscription.repeat_seconds,
        quiet_hours=subscription.quiet_hours,
        overrides=subscription.overrides,
        created_time=subscription.created_time,
        updated_time=subscription.updated_time,
    )


class IncidentPage(Part):
    """Incidents, the newest first."""

    incidents: tuple[Incident, ...]
    next: str | None = Field(None, description="`cursor` of the next page; null: this is the last.")


class Revision(Part):
    """What an incident was, as of one of its revisions."""

    revision: int
    as_of: Time
    state: AlertState
    level: Level
    late: bool
    reason: str
    unit_count: int
    shipment_count: int


class History(Part):
    """Revisions, oldest first."""

    incident_id: Id
    complete: bool = Field(description="False: older ones are only in ClickHouse (`incidents`).")
    revisions: tuple[Revision, ...]


class Ack(_Asked):
    """Somebody sees to it."""

    by: str = Field("", max_length=200, description="Who; default: the party.")
    comment: str = Field("", max_length=1000)


class Silence(Ack):
    """No messages, until a time."""

    until: Time | None = Field(None, description="Null: until the incident is over.")


class Ordered(Part):
    """What was asked for is on its way; the incident's next revision shows it."""

    command_id: Id


class Tested(Part):
    """What became of a test message."""

    outcome: str
    status_code: int | None
    detail: str


class Problem(Part):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
