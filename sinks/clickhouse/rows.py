"""From Kafka records to columns.

The fast way is msgspec, with a struct made from the topic's pydantic model; whatever it does not
take, the model itself judges. So a record becomes a row if, and only if, the model takes it and
its columns can hold it, at a tenth of pydantic's cost.
"""

import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol

import msgspec
from annotated_types import Ge, Le, MaxLen, MinLen
from kafka import TopicPartition
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from corridor.codes import CODES, Reject
from corridor.decoding import Decoder, Rejected, dead_letter
from corridor.models import DeadLetter, Itinerary, Message, Origin, TrackingEvent
from sinks.clickhouse.intents import Offsets
from sinks.clickhouse.tables import CODE, DEAD_LETTERS, OPTIONAL_TIME, TEXT, TIME, Column, Table

Values = list[Any]
"""One column of a block."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLY = 2 * 86_400_000_000
LATE = (datetime(2199, 12, 30, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


class Record(Protocol):
    """What is needed of a record that Kafka's consumer gives."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Milliseconds."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True)
class Rows:
    """Records of one partition, as columns of their table, and those that cannot be rows."""

    columns: list[Values]
    count: int
    rejected: list[DeadLetter]


class Reader:
    """Reads the records of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._validate: Decoder[Message] = Decoder(table.model)
        self._decode = msgspec.json.Decoder(_struct(table.model, table)).decode
        self._settle = _SETTLERS.get(table.model, lambda message: False)
        self._getters = [_getter(column, table) for column in table.columns]
        self._types = [column.type for column in table.columns]

    def read(self, partition: TopicPartition, records: Sequence[Record]) -> Rows:
        """Columns in the order of `table.all_columns`.

        Args:
            partition: Where the records are from.
            records: In order.
        """
        rejected: list[DeadLetter] = []
        try:
            messages = [self._decode(record.value) for record in records]  # type: ignore[arg-type]
            if any(map(self._settle, messages)):
                raise ValueError
            columns, count = self._columns(partition, messages, records)
            if not self._plausible(columns):
                raise ValueError
        except (msgspec.MsgspecError, ValueError, TypeError):
            messages, records = self._read_one_by_one(partition, records, rejected)
            columns, count = self._columns(partition, messages, records)
        return Rows(columns, count, rejected)

    def expired(self, partition: TopicPartition, offsets: Offsets) -> Rows:
        """What stands for records that Kafka has deleted before they became rows: one letter."""
        letter = dead_letter(
            Rejected(
                Reject.EXPIRED,
                None,
                f"offsets {offsets.first} to {offsets.end - 1} were deleted by retention before "
                f"they were confirmed to be in {self.table.name}",
            ),
            origin=_origin(partition, offsets.first),
            key=None,
            payload=None,
            time=datetime.now(UTC),
        )
        return Rows([[] for _ in self.table.all_columns], 0, [letter])

    def _read_one_by_one(
        self, partition: TopicPartition, records: Sequence[Record], rejected: list[DeadLetter]
    ) -> tuple[list[Any], list[Record]]:
        messages, kept = [], []
        for record in records:
            try:
                message = self._decode(record.value)  # type: ignore[arg-type]
                if self._settle(message) or not self._plausible(
                    self._columns(partition, [message], [record])[0]
                ):
                    raise ValueError
            except (msgspec.MsgspecError, ValueError, TypeError):
                message = self._judge(record)
                if isinstance(message, Rejected):
                    letter = _letter(message, partition, record)
                    if self.table is not DEAD_LETTERS:
                        rejected.append(letter)
                        continue
                    # the quarantine's own unreadable records are kept as what they are
                    message = self._decode(letter.to_json())
                self._settle(message)
            messages.append(message)
            kept.append(record)
        return messages, kept

    def _judge(self, record: Record) -> Any:
        """The message after all, or why it cannot be a row."""
        message = self._validate(record.value)
        if isinstance(message, Rejected):
            return message
        try:
            return self._decode(message.to_json())
        except (msgspec.MsgspecError, ValueError) as error:
            return Rejected(Reject.MALFORMED, _path(error), f"no column for it: {error}")

    def _plausible(self, columns: list[Values]) -> bool:
        """False when a time is where the model's bounds may be: the model knows exactly."""
        for type_, values in zip(self._types, columns, strict=False):
            if TIME in type_:
                if type_ != TIME:
                    flat = values if type_ == OPTIONAL_TIME else chain.from_iterable(values)
                    values = [time for time in flat if time is not None]
                if values and not (min(values) > EARLY and max(values) < LATE):
                    return False
        return True

    def _columns(
        self, partition: TopicPartition, messages: list[Any], records: Sequence[Record]
    ) -> tuple[list[Values], int]:
        offsets = [record.offset for record in records]
        times = [record.timestamp for record in records]
        items: list[Any] = []
        if self.table.each:
            lists = [getattr(message, self.table.each) for message in messages]
            items = list(chain.from_iterable(lists))
            counts = list(map(len, lists))
            messages = _repeated(messages, counts)
            offsets, times = _repeated(offsets, counts), _repeated(times, counts)
        count = len(messages)
        columns = [getter(messages, items) for getter in self._getters]
        columns += [[partition.topic] * count, [partition.partition] * count, offsets, times]
        return columns, count


def _letter(rejected: Rejected, partition: TopicPartition, record: Record) -> DeadLetter:
    return dead_letter(
        rejected,
        origin=_origin(partition, record.offset),
        key=record.key,
        payload=record.value,
        # by the record's clock: a record that is read again gives the same letter
        time=EPOCH + timedelta(milliseconds=max(0, record.timestamp)),
    )


def _origin(partition: TopicPartition, offset: int) -> Origin:
    return Origin(topic=partition.topic, partition=partition.partition, offset=offset)


def _path(error: Exception) -> str | None:
    _, found, path = str(error).partition(" - at `$.")
    return path.rstrip("`") if found else None


# what a struct cannot express ------------------------------------------------------------------

_KNOWN_CODES = {(str(kind), code) for kind, codes in CODES.items() for code in codes}


def _settle_event(event: Any) -> bool:
    if event.updated_time is msgspec.UNSET:
        event.updated_time = event.event_time
    event.attributes = attributes = str(event.attributes, "utf-8")
    return (
        (event.event_type, event.code) not in _KNOWN_CODES
        or (event.unit_id is None and event.run_id is None and event.shipment_id is None)
        # one flat object, as far as a glance can tell
        or attributes[0] != "{"
        or attributes.find("{", 1) > 0
        or "[" in attributes
    )


def _settle_itinerary(itinerary: Any) -> bool:
    last = -1
    for leg in itinerary.legs:
        if leg.sequence <= last or leg.planned_arrival <= leg.planned_departure:
            return True
        last = leg.sequence
    return False


_SETTLERS: dict[type[Message], Callable[[Any], bool]] = {
    TrackingEvent: _settle_event,
    Itinerary: _settle_itinerary,
}
"""Complete a decoded message; True when only the model can tell whether it is one."""


# structs: the shape of a model, for msgspec ---------------------------------------------------

_INTEGERS = {
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
}
"""What integer columns can hold."""


def _struct(model: type[BaseModel], table: Table, prefix: str = "") -> type[msgspec.Struct]:
    hints = typing.get_type_hints(model, include_extras=True)
    fields: list[Any] = []
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        wire = _wire(Annotated[hints[name], field], table, path)
        if field.is_required():
            fields.append((name, wire))
        elif field.default_factory is not None and field.default_factory_takes_validated_data:
            fields.append((name, wire | msgspec.UnsetType, msgspec.UNSET))
        else:
            fields.append((name, wire, _default(field)))
    return msgspec.defstruct(model.__name__, fields, kw_only=True, gc=False)


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, dict):
        return msgspec.Raw(b"{}")
    if isinstance(value, tuple):
        return msgspec.field(default_factory=list)
    return str(value) if isinstance(value, StrEnum) else value


def _wire(
    hint: Any, table: Table, path: str, bounds: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """The type by which msgspec reads what pydantic reads by `hint`, within `bounds`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _wire(arguments[0], table, path, {**bounds, **_bounds(arguments[1:])})
    if origin in (typing.Union, types.UnionType):
        return typing.Union[  # noqa: UP007  # made at run time
            tuple(_wire(argument, table, path, bounds) for argument in arguments)
        ]
    if origin is dict:
        return msgspec.Raw  # its column holds it as it is
    if origin is tuple:
        return Annotated[list[_wire(arguments[0], table, path)], msgspec.Meta(**bounds)]  # type: ignore[misc]
    if hint is AwareDatetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if isinstance(hint, type):
        if issubclass(hint, StrEnum):
            return Literal[tuple(map(str, hint))]
        if issubclass(hint, BaseModel):
            return _struct(hint, table, f"{path}.")
        if hint is int:
            low, high = _INTEGERS[_column_type(table, path)]
            bounds = {
                "ge": max(low, bounds.get("ge", low)),
                "le": min(high, bounds.get("le", high)),
            }
        if hint in (int, float, str):
            return Annotated[hint, msgspec.Meta(**bounds)]
    return hint


def _bounds(metadata: Iterable[Any]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for item in metadata:
        match item:
            case FieldInfo():
                bounds |= _bounds(item.metadata)
            case MinLen():
                bounds["min_length"] = item.min_length
            case MaxLen():
                bounds["max_length"] = item.max_length
            case Ge():
                bounds["ge"] = item.ge
            case Le():
                bounds["le"] = item.le
    return bounds


def _column_type(table: Table, path: str) -> str:
    for column in table.columns:
        if (column.path or column.name) == path:
            return column.type.rpartition("(")[2].rstrip(")")  # within Nullable or Array
    return "Int64"


# getters: a column from the messages ----------------------------------------------------------


def _getter(column: Column, table: Table) -> Callable[[list[Any], list[Any]], Values]:
    """A function of (messages, items of `each`), both one per row."""
    path = column.path or column.name
    head, _, rest = path.partition(".")
    optional = type(None) in typing.get_args(hint_of(table.model, path))
    if table.each and head == table.each:
        values = _values(rest, column.type, optional)
        return lambda messages, items: values(items)
    if rest and column.type.startswith("Array("):
        inner = _values(rest, column.type.removeprefix("Array(").removesuffix(")"), optional)
        lists = attrgetter(head)
        return lambda messages, items: [inner(lists(message)) for message in messages]
    values = _values(path, column.type, optional)
    return lambda messages, items: values(messages)


def hint_of(model: type[BaseModel], path: str) -> Any:
    """The type of a field of a model, or of the models that one of its fields holds."""
    head, _, rest = path.partition(".")
    hint = typing.get_type_hints(model)[head]
    if not rest:
        return hint
    inner = next(part for part in (hint, *typing.get_args(hint)) if hasattr(part, "model_fields"))
    return hint_of(inner, rest)


def _values(path: str, type_: str, optional: bool) -> Callable[[list[Any]], Values]:
    get = attrgetter(path)
    if type_ in (TEXT, CODE) and optional:
        return lambda rows: [value or "" for value in map(get, rows)]
    if type_ == TIME:
        return lambda rows: [
            ((since := time - EPOCH).days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            for time in map(get, rows)
        ]
    if TIME in type_:
        return lambda rows: [
            None if time is None else _microseconds(time) for time in map(get, rows)
        ]
    return lambda rows: list(map(get, rows))


def _microseconds(time: datetime) -> int:
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]
