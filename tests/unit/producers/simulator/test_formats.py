"""What the parties send in their own formats is what they have to say."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from corridor import containers
from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from corridor.network import corridors
from producers import formats
from producers.simulator.formats import Written, own, written
from producers.simulator.simulate import Parameters, simulate
from producers.simulator.statements import Statement
from tests.unit.producers.simulator.kernel import Kernel, true_fates

CORRIDORS = [corridor.corridor_id for corridor in corridors.corridors()]
SHIPMENTS = 25
MINUTE = timedelta(minutes=1)

FIELDS = (
    "source event_type code classifier event_time updated_time retracted unit_id run_id shipment_id"
    " mode node_id latitude longitude delay_reasons"
).split()

NOT_CARRIED = {
    # what a format has no place for, or no word
    "fsu": {"run_id", "delay_reasons"},
    "xfsu": {"delay_reasons"},
    "taf-tsi": {"delay_reasons"},
    "epcis": {"run_id", "mode"},
    "etir": {"shipment_id"},
}
BY_THE_MINUTE = {"fsu"}


class Ear:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[Statement, Written]] = []
        self.messages: list[tuple[float, str, Written]] = []

    def hears(self, available: float, statement: Statement) -> None:
        message = written(statement)
        if message is not None:
            self.said.append((statement, message))
            self.messages.append((available, statement.party, message))

    def receives(self, available: float, party: str, itinerary: dict[str, Any]) -> None:
        message = Written(own.ITINERARY, "json", own.itinerary(itinerary))
        self.messages.append((available, party, message))


@cache
def said(corridor_id: str) -> tuple[tuple[Statement, Written], ...]:
    ear = Ear()
    parameters = Parameters(corridor_id, SHIPMENTS, 5, noise="harsh", days=60)
    simulate(parameters, ear, lambda line: None)
    return tuple(ear.said)


def decoded(statement: Statement, message: Written) -> TrackingEvent:
    items = formats.BY_NAME[message.format].decode(message.body, statement.party)
    assert not [item for item in items if isinstance(item, Rejected)], message.body
    (event,) = [
        item
        for item in items
        if isinstance(item, TrackingEvent)
        and (item.code, item.classifier) == (statement.code, statement.classifier)
    ]
    return event


def differences(statement: Statement, message: Written) -> list[str]:
    """Fields in which what is read is not what was to be said."""
    event = decoded(statement, message)
    meant = TrackingEvent.model_validate(statement.event())
    left_out = set(NOT_CARRIED.get(message.format, ()))
    if meant.mode is None:
        left_out.add("mode")  # a format may know it where the party need not say it
    if meant.mode == "TRUCK":
        left_out.add("run_id")  # trucks have plates, and no standard has their trips
    differs = []
    for name in FIELDS:
        said, read = getattr(meant, name), getattr(event, name)
        if message.format in BY_THE_MINUTE and name.endswith("_time"):
            same = abs(said - read) < MINUTE
        else:
            same = said == read
        if not same and name not in left_out:
            differs.append(name)
    return differs


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_what_is_read_is_what_was_said(corridor_id: str) -> None:
    wrong = Counter(
        (message.format, statement.code, name)
        for statement, message in said(corridor_id)
        if not statement.name.endswith("/spoiled")
        for name in differences(statement, message)
    )
    assert wrong == {}


def test_every_family_of_formats_is_spoken() -> None:
    spoken = {message.format for id in CORRIDORS for _, message in said(id)}
    assert spoken >= {
        "coarri",
        "codeco",
        "dcsa-tnt",
        "epcis",
        "etir",
        "event",
        "fsu",
        "gps",
        "lock",
        "one-record",
        "single-window",
        "taf-tsi",
        "xfsu",
    }


def test_wrong_check_digits_are_found() -> None:
    found = 0
    for statement, message in said("CRE"):
        number = statement.unit_id or ""
        wrong = len(number) == 11 and containers.check_digit(number) != int(number[10])
        if wrong and message.format != "event":
            items = formats.BY_NAME[message.format].decode(message.body, statement.party)
            assert Reject.BAD_CHECK_DIGIT in {
                item.reason for item in items if isinstance(item, Rejected)
            }
            found += 1
    assert found


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_a_correction_has_the_identity_of_what_it_corrects(corridor_id: str) -> None:
    identities: dict[tuple[str, str], set[str]] = {}
    for statement, message in said(corridor_id):
        if not statement.name.endswith(("/spoiled", "/mistaken")):
            event = decoded(statement, message)
            identities.setdefault((statement.name, message.format), set()).add(event.event_id)
    assert [key for key, ids in identities.items() if len(ids) > 1] == []


@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_what_the_parties_send_ends_in_the_truth(corridor_id: str) -> None:
    ear = Ear()
    lines: list[bytes] = []
    parameters = Parameters(corridor_id, 20, 6, noise="harsh", days=60)
    simulate(parameters, ear, lines.append)
    kernel = Kernel()
    for available, party, message in sorted(ear.messages, key=lambda told: told[0]):
        for item in formats.BY_NAME[message.format].decode(message.body, party):
            if not isinstance(item, Rejected):
                kernel.take(item, datetime.fromtimestamp(available, UTC))
    truth = [row for row in map(json.loads, lines) if row["kind"] == "unit_leg"]
    expected = true_fates(truth)
    assert expected
    assert kernel.fates() == expected
