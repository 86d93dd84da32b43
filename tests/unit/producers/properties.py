"""What holds for every decoder, whatever comes, and messages to try it with."""

import os
import random

from hypothesis import settings
from hypothesis import strategies as st

from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
from producers.adapter import Format
from tests.fuzz.mutations import mutated

FUZZ = settings(max_examples=int(os.environ.get("CORRIDOR_FUZZ_EXAMPLES", "200")), deadline=None)


def gives_only_items(format: Format, message: bytes, sender: str = "x") -> None:
    """Fails unless all that a message gives can be published, or says what is wrong."""
    format.recognises(message)
    for item in format.decode(message, sender):
        assert isinstance(item, TrackingEvent | Itinerary | Rejected)
        if isinstance(item, Rejected):
            assert item.detail
        else:
            assert type(item).model_validate_json(item.to_json()) == item


def spoiled(*messages: bytes) -> st.SearchStrategy[bytes]:
    """Messages that were good, with one to four faults."""
    good = st.sampled_from(messages)
    return st.builds(
        lambda message, other, seed: mutated(message, other, random.Random(seed)),
        *(good, good, st.integers(0, 2**32)),
    )
