"""One Kafka with the topics, one gateway and one receiver for the tests that can share them."""

from collections.abc import Iterator

import pytest

from commands import topic_admin
from corridor.settings import Settings
from tests.integration.subscribers.gateway import Gateway
from tests.integration.subscribers.receiver import Receiver, receiver


@pytest.fixture(scope="session")
def topics_applied(kafka: str) -> str:
    topic_admin.apply(Settings(kafka=kafka, partitions=2))
    return kafka


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(topics_applied: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("gateway"), topics_applied, "acme", "other")
    with made.running():
        yield made
    made.close()
