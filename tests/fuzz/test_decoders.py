"""Whatever comes in, a decoder answers with items: events, itineraries or named rejects.

Messages are spoiled at random, from a seed; one that leads to an answer of a new kind is kept, and
spoiled again. `make fuzz` tries a million, CI a few thousand.
"""

import os
import random
import re

import pytest

from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
from producers.adapter import Format, Item
from producers.formats import FORMATS
from tests.fuzz.corpus import corpus
from tests.fuzz.mutations import mutated

INPUTS = int(os.environ.get("CORRIDOR_FUZZ_INPUTS", "150"))
"""Per format."""
SEED = int(os.environ.get("CORRIDOR_FUZZ_SEED", "1"))
LARGEST = 20_000

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="session")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    return corpus(tmp_path_factory.mktemp("corpus"))


def kind(items: list[Item]) -> frozenset[str]:
    """What sorts of answers there were, whatever the numbers in them."""
    return frozenset(
        f"{item.reason} {re.sub(r'[0-9]+', '', item.field or '')}"
        if isinstance(item, Rejected)
        else "itinerary"
        if isinstance(item, Itinerary)
        else f"{item.event_type} {item.code} {item.classifier} {item.retracted}"
        for item in items
    )


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_a_decoder_answers_whatever_comes(format: Format, messages: dict[str, list[bytes]]) -> None:
    dice = random.Random(f"{SEED} {format.name}")
    seeds = list(messages[format.name])
    everything = [message for others in messages.values() for message in others]
    assert seeds, "there is no message to begin with"
    seen = {kind(format.decode(message, "sender")) for message in seeds}
    for _ in range(INPUTS):
        message = mutated(dice.choice(seeds), dice.choice(everything), dice)[:LARGEST]
        items = format.decode(message, "sender")
        for item in items:
            assert isinstance(item, TrackingEvent | Itinerary | Rejected)
            if isinstance(item, Rejected):
                assert item.reason in Reject
                assert item.detail
            else:
                assert item.to_json()
        answer = kind(items)
        if answer not in seen and len(seeds) < 5_000:
            seen.add(answer)
            seeds.append(message)
    print(f"\n{format.name}: {INPUTS:,} inputs, {len(seen):,} kinds of answers")  # noqa: T201


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_what_is_accepted_is_what_the_contract_says(
    format: Format, messages: dict[str, list[bytes]]
) -> None:
    for message in messages[format.name]:
        for item in format.decode(message, "sender"):
            if not isinstance(item, Rejected):
                assert type(item).model_validate_json(item.to_json()) == item
