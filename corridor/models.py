"""The messages between the parts: one pydantic model per topic value.

JSON, snake_case, times RFC 3339 in UTC. Readers ignore fields that they do not know; a breaking
change is a new topic. `docs/schemas/` holds the JSON Schema of each model.
"""

from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from corridor.codes import (
    CODES,
    AlertFlag,
    AlertKind,
    AlertState,
    Cause,
    Channel,
    Classifier,
    DeliveryOutcome,
    Ending,
    EventType,
    Level,
    Mode,
    Order,
    Reject,
    Signal,
    Stage,
    Status,
)


def _to_utc(time: datetime) -> datetime:
    # Beyond these years, adding a few days or an offset would overflow somewhere.
    if 1969 <= time.year <= 2200:
        time = time if time.tzinfo is UTC else time.astimezone(UTC)
        if 1970 <= time.year < 2200:
            return time
    raise PydanticCustomError("time_out_of_range", "time must be in the years 1970 to 2199 (UTC)")


Time = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A point in time with an offset; kept in UTC."""

Id = Annotated[str, Field(min_length=1, max_length=500)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Part(BaseModel):
    """What messages are made of."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """Builds a message from values that our own kernel computed, without validation.

        Validation, or pydantic's `model_construct`, would cost more than computing them. Only for
        models whose fields' defaults are immutable; tests validate what comes out.
        """
        message = cls.__new__(cls)
        object.__setattr__(message, "__dict__", _defaults(cls) | values)
        object.__setattr__(message, "__pydantic_fields_set__", set(values))
        object.__setattr__(message, "__pydantic_extra__", None)
        object.__setattr__(message, "__pydantic_private__", None)
        return message


@cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    return {
        name: field.default
        for name, field in model.model_fields.items()
        if not field.is_required() and field.default_factory is None
    }


class Message(Part):
    """What all messages share."""

    schema_version: Literal[1] = 1

    def to_json(self) -> bytes:
        """The canonical JSON: `schema_version`, then the fields that were given.

        Nulls and fields left to their defaults are not written; a reader fills them in, so nothing
        is lost, and a topic stays half as large.
        """
        # what model_dump_json calls, without its detour over str
        body = self.__pydantic_serializer__.to_json(self, exclude_unset=True, exclude_none=True)
        if "schema_version" in self.model_fields_set:
            return body
        return b'{"schema_version":1,' + body[1:]


SUBJECTS = ("unit_id", "run_id", "shipment_id")
"""What an event may be of: the first that it names is its subject, and its record's key."""


def _event_rules(schema: dict[str, Any]) -> None:
    """Says in JSON Schema what `TrackingEvent._check` checks."""
    schema["anyOf"] = [{"required": [name]} for name in SUBJECTS]
    schema["allOf"] = [
        {
            "if": {"properties": {"event_type": {"const": str(kind)}}},
            "then": {"properties": {"code": {"enum": sorted(codes)}}},
        }
        for kind, codes in CODES.items()
    ]


class TrackingEvent(Message):
    """Something that happened, or is planned or expected, to a unit, run or shipment at a time.

    An event of a run reaches every unit aboard, one of a shipment each of its units.
    Identity is (`source`, `event_id`): the newest `updated_time` wins, `retracted` removes.
    Shape and words follow DCSA Track & Trace 3.0.0.
    """

    model_config = ConfigDict(json_schema_extra=_event_rules)

    event_id: Id
    source: Id = Field(description="The party that speaks.")
    event_type: EventType
    code: Id = Field(description="What happened, in the vocabulary of `event_type`.")
    classifier: Classifier = Classifier.ACTUAL
    event_time: Time
    updated_time: Time = Field(
        default_factory=lambda known: known.get("event_time"),
        description="When the source last changed this event; default: `event_time`.",
    )
    retracted: bool = False
    unit_id: Id | None = None
    run_id: Id | None = None
    shipment_id: Id | None = None
    mode: Mode | None = None
    node_id: Id | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    delay_reasons: tuple[str, ...] = ()
    attributes: dict[str, str | int | float | bool | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unit_id is None and self.run_id is None and self.shipment_id is None:
            raise PydanticCustomError(
                "no_subject", "one of unit_id, run_id, shipment_id is required"
            )
        if self.code not in CODES[self.event_type]:
            raise PydanticCustomError(
                "unknown_code",
                "code {code} is not one of event_type {event_type}",
                {"code": self.code, "event_type": str(self.event_type)},
            )
        return self

    @property
    def subject(self) -> str:
        """What the event is of; the key of its record."""
        return self.unit_id or self.run_id or self.shipment_id or ""


class Leg(Part):
    """One planned movement from node to node in one mode."""

    leg_id: Id = Field(description="Stable across runs, so that it can be learned.")
    sequence: int = Field(ge=0, description="Position in the itinerary, ascending.")
    mode: Mode
    from_node: Id
    to_node: Id
    run_id: Id | None = None
    service_id: Id | None = None
    carrier_id: Id | None = None
    planned_departure: Time
    planned_arrival: Time
    cutoff: Time | None = Field(None, description="Latest hand-in for this run.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.planned_arrival <= self.planned_departure:
            raise PydanticCustomError(
                "not_after_departure", "planned_arrival must be after planned_departure"
            )
        return self


class Itinerary(Message):
    """A unit's planned legs in order; of (`unit_id`, `shipment_id`) the highest `version` wins."""

    unit_id: Id
    shipment_id: Id
    corridor_id: Id
    version: int = Field(ge=1)
    issued_time: Time
    parties: tuple[str, ...] = ()
    legs: tuple[Leg, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        sequences = [leg.sequence for leg in self.legs]
        if any(b <= a for a, b in pairwise(sequences)):
            raise PydanticCustomError("not_in_order", "legs must be in ascending sequence")
        return self


LATE = (
    "Caused by an event that was told after a newer one: it corrects history, and notifies nobody."
)


class LegEstimate(Message):
    """When one unit will arrive at the end of one leg, as far as was known at `as_of`.

    Quantiles are arrival times; those that the estimator cannot state honestly are null.
    """

    estimate_id: Id
    unit_id: Id
    shipment_id: Id
    corridor_id: Id
    leg_id: Id
    sequence: int
    mode: Mode
    from_node: Id | None = None
    to_node: Id | None = None
    run_id: Id | None = None
    service_id: Id | None = None
    carrier_id: Id | None = None
    stage: Stage
    planned_departure: Time
    planned_arrival: Time
    actual_departure: Time | None = None
    eta_p05: Time | None = None
    eta_p10: Time | None = None
    eta_p25: Time | None = None
    eta_p50: Time | None = Field(None, description="Null where the leg will have no arrival.")
    eta_p75: Time | None = None
    eta_p90: Time | None = None
    eta_p95: Time | None = None
    delay_seconds: float | None = Field(None, description="eta_p50 - planned_arrival.")
    late_probability: float | None = Field(None, ge=0, le=1)
    evidence: str = Field(description="What the estimate stands on: TIMETABLE, OVERDUE, DELAY …")
    signal: Signal = Signal.LIVE
    missed_probability: float | None = Field(
        None, ge=0, le=1, description="Of being ready only after the planned service has closed."
    )
    connection_slack_seconds: float | None = Field(
        None, description="From being ready, as is likely, until the planned service closes."
    )
    stalled_since: Time | None = Field(None, description="It does not move, though it should.")
    model_version: str
    as_of: Time
    late: bool = Field(False, description=LATE)
    caused_by: Id = Field(description="`source/event_id`, `itinerary/version`, or `clock`.")


class Prediction(Part):
    """What was predicted for a leg when it entered a stage."""

    stage: Stage
    as_of: Time
    eta_p50: Time
    evidence: str
    model_version: str


class LegOutcome(Message):
    """A finished leg with what was predicted for it: the label that teaches.

    `outcome_id` stays the same when a correction changes the outcome; the newest `updated_time`
    wins, and `retracted` says that the leg turned out not to be finished.
    """

    outcome_id: Id
    unit_id: Id
    shipment_id: Id
    corridor_id: Id
    leg_id: Id
    sequence: int
    mode: Mode
    from_node: Id
    to_node: Id
    run_id: Id | None = None
    service_id: Id | None = None
    carrier_id: Id | None = None
    ending: Ending
    retracted: bool = False
    planned_departure: Time
    planned_arrival: Time
    actual_departure: Time | None = None
    actual_arrival: Time | None = None
    predictions: tuple[Prediction, ...]
    as_of: Time
    updated_time: Time
    late: bool = Field(False, description=LATE)
    caused_by: Id


class Origin(Part):
    """Where a rejected message came from: a Kafka record, a line of a file, or a gateway."""

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    file: str | None = None
    line: int | None = None
    format: str | None = Field(None, description="The format that a gateway took it for.")
    channel: str | None = Field(None, description="HTTP path, MQTT topic or address it came by.")


class DeadLetter(Message):
    """A message that could not be used, kept whole so that it can be replayed after a fix."""

    dead_letter_id: Id
    reason: Reject
    field: str | None = Field(None, description="The field at fault, dotted, where there is one.")
    detail: str
    source: str | None = None
    origin: Origin
    key: str | None = Field(None, description="The record's key, base64.")
    payload: str = Field(description="The raw bytes, base64.")
    rejected_time: Time
    status: Status = Status.OPEN


# alerts ------------------------------------------------------------------------------------------


class Affected(Part):
    """One unit that an incident concerns."""

    unit_id: Id
    shipment_id: Id
    parties: tuple[str, ...] = Field(
        (), description="Those of its itinerary: who may see the unit."
    )
    leg_id: Id
    level: Level
    expected_time: Time | None = Field(None, description="Its likely arrival, where there is one.")
    delay_seconds: float | None = Field(None, description="Later than planned, as is likely.")


class PartyShare(Part):
    """How much of an incident concerns one party."""

    party: Id
    units: int
    shipments: int


class Handling(Part):
    """What somebody did about an incident; it counts for the party, or for all if none is named."""

    order: Order = Field(description="ACK or SILENCE.")
    party: Id | None = None
    by: Id
    since: Time
    until: Time | None = Field(None, description="Null: until the incident is over.")


class Why(Part):
    """Why an alert stands as it does, in numbers: of the unit that is worst off."""

    rule: Id = Field(description="The rule that judged, like `DELAY.RAIL` or `DELAY.RAIL@ILSTC`.")
    fact: bool = Field(False, description="It has happened; nothing is merely likely.")
    probability: float | None = Field(None, ge=0, le=1, description="Of passing the threshold.")
    opens_at: float | None = Field(None, description="It opens at this probability,")
    clears_at: float | None = Field(None, description="and clears at this one.")
    threshold_seconds: float | None = Field(None, description="Of the level that it has.")
    value_seconds: float | None = Field(
        None, description="What is held against the threshold: delay, dwell, standstill, silence."
    )
    planned_time: Time | None = None
    expected_time: Time | None = None
    since: Time | None = Field(None, description="When the condition began to hold.")
    node_id: Id | None = None
    evidence: str | None = Field(None, description="What the estimate stood on.")
    model_version: str | None = None
    caused_by: Id = Field(description="`source/event_id`, `itinerary/version`, or `clock`.")


class Incident(Message):
    """One root cause, with the units that it concerns, as of one of its revisions.

    Each revision is the whole incident. Of one `incident_id` the highest `revision` holds; a
    revision that comes again is the same. Numbers may be left out: what changes twice within a
    batch is said once.
    """

    incident_id: Id = Field(description="Stays the same through all revisions, and in a replay.")
    dedup_key: Id = Field(description="`kind/cause/subject`; the key of its record.")
    revision: int = Field(ge=1)
    kind: AlertKind
    cause: Cause
    subject: Id = Field(description="The run, node, unit … that is at fault.")
    level: Level = Field(description="The worst that any of its units has, or had when it ended.")
    state: AlertState
    flags: tuple[AlertFlag, ...] = ()
    opened_time: Time | None = Field(None, description="When it first was OPEN; null: not yet.")
    changed_time: Time = Field(description="When state or level last changed.")
    resolved_time: Time | None = None
    as_of: Time = Field(description="Event time of what this revision takes in.")
    late: bool = Field(False, description=LATE)
    reason: str = Field(description="One sentence for people.")
    why: Why
    corridor_id: Id | None = None
    leg_id: Id | None = None
    node_id: Id | None = Field(None, description="Where, if it is at a node.")
    mode: Mode | None = None
    affected: tuple[Affected, ...] = Field(
        description="Units that it concerns now, the worst first, at most `MOST_AFFECTED`."
    )
    unit_count: int = Field(description="All of them, also those that are not listed.")
    shipment_count: int
    parties: tuple[PartyShare, ...] = Field(description="Every party that it concerns or has.")
    parent: Id | None = Field(
        None,
        description="`dedup_key` of the incident that explains this one, if that stands: then, "
        "whoever hears of that one need not hear of this one.",
    )
    children: tuple[str, ...] = Field(
        (), description="Of a place: `dedup_key`s of the delays that it explains, at most 200."
    )
    handling: tuple[Handling, ...] = ()
    caused_by: Id


MOST_AFFECTED = 500
"""Units that an incident lists."""


class Filters(Part):
    """Which incidents are meant; each that is given must fit, an empty one fits all."""

    corridor_ids: tuple[str, ...] = ()
    leg_ids: tuple[str, ...] = ()
    node_ids: tuple[str, ...] = ()
    kinds: tuple[AlertKind, ...] = ()
    level: Level = Field(Level.MINOR, description="This one and worse.")
    unit_ids: tuple[str, ...] = ()
    shipment_ids: tuple[str, ...] = ()


class WebhookSettings(Part):
    """CloudEvents in Standard Webhooks."""

    type: Literal[Channel.WEBHOOK] = Channel.WEBHOOK
    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://")]
    secrets: tuple[str, ...] = Field(
        min_length=1, max_length=2, description="`whsec_…`; two while they are being rotated."
    )


class EmailSettings(Part):
    """Mail, for people without a server."""

    type: Literal[Channel.EMAIL] = Channel.EMAIL
    address: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]


class SseSettings(Part):
    """A stream that the subscriber opens."""

    type: Literal[Channel.SSE] = Channel.SSE


class QuietHours(Part):
    """A daily span in which only CRITICAL is told; it may pass midnight."""

    begins: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    ends: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    time_zone: Id = Field("UTC", description="IANA name, like Asia/Shanghai.")


class Override(Part):
    """What one subscriber calls bad enough, where it differs from the rules."""

    kind: AlertKind
    mode: Mode | None = Field(None, description="Null: all modes.")
    minor_seconds: float | None = Field(None, ge=0)
    major_seconds: float | None = Field(None, ge=0)
    critical_seconds: float | None = Field(None, ge=0)


class Subscription(Message):
    """Who wants to hear of what, and how; the newest holds, and a tombstone ends it."""

    subscription_id: Id
    party: Id = Field(description="Sees only what its shipments touch.")
    name: str = ""
    enabled: bool = True
    disabled_reason: str | None = None
    filters: Filters = Filters()
    channel: Annotated[WebhookSettings | EmailSettings | SseSettings, Field(discriminator="type")]
    group_seconds: float = Field(300, ge=0, description="Least time between two messages of one.")
    repeat_seconds: float = Field(
        86_400, ge=0, description="What still stands is told again after so long; 0: never."
    )
    quiet_hours: QuietHours | None = None
    overrides: tuple[Override, ...] = ()
    created_time: Time
    updated_time: Time


class AlertCommand(Message):
    """What somebody wants to be done about an incident. The key of its record is `dedup_key`."""

    command_id: Id
    order: Order
    incident_id: Id
    dedup_key: Id
    party: Id | None = Field(None, description="For whom it counts; null, the operator's: for all.")
    by: Id
    until: Time | None = None
    comment: str = ""
    issued_time: Time


class Delivery(Message):
    """One try to tell a subscriber of a revision."""

    delivery_id: Id = Field(description="Of subscription, revision and attempt.")
    message_id: Id = Field(description="`webhook-id`: the same at each try.")
    subscription_id: Id
    party: Id
    incident_id: Id
    revision: int
    channel: Channel
    attempt: int = Field(ge=1)
    outcome: DeliveryOutcome
    status_code: int | None = None
    detail: str = ""
    started_time: Time
    duration_seconds: float
    next_attempt_time: Time | None = None
