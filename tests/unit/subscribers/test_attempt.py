"""When the next try is due, and what is signed."""

from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from sinks.subscribers import signing
from sinks.subscribers.attempt import SCHEDULE, pause, retry_after
from tests.unit.subscribers.samples import NOW


def test_tries_follow_the_schedule_and_end() -> None:
    for failures, seconds in enumerate(SCHEDULE, 1):
        found = pause(failures)
        assert found is not None
        assert 0.8 * seconds <= found <= 1.2 * seconds
    assert pause(len(SCHEDULE) + 1) is None


def test_what_the_other_side_asks_for_is_waited_for_at_least() -> None:
    assert pause(1, 3_600) == 3_600
    assert (pause(1, 1e9) or 0) <= 86_400


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("Wed, 04 Mar 2026 12:01:00 GMT", 60), ("soon", None), ("", None), (None, None)],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
    assert retry_after("Wed, 04 Mar 2026 11:00:00 GMT", NOW + timedelta(0)) == 0


def test_each_secret_signs_and_the_reference_library_verifies() -> None:
    from datetime import UTC, datetime

    new, old = signing.new_secret(), signing.new_secret()
    timestamp = int(datetime.now(UTC).timestamp())
    signed = signing.signature([new, old], "msg_1", timestamp, b'{"a":1}')
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
    }
    for secret in (new, old):
        Webhook(secret).verify(b'{"a":1}', headers)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ=", "c2VjcmV0" * 4])
def test_a_secret_that_cannot_be_used_is_refused(secret: str) -> None:
    with pytest.raises(signing.SecretError):
        signing.key(secret)
