"""`corridor topics`: the broker is brought to what the registry declares."""

from collections.abc import Iterator

import pytest
from kafka.admin import ConfigResource, KafkaAdminClient
from typer.testing import CliRunner

from commands import topic_admin
from commands.topics import app
from corridor.settings import Settings
from corridor.topics import IOT, registry
from tests.support import broker, free_port, unique_name, wait_until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One of its own: other tests need the topics that these delete."""
    with broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture(autouse=True)
def no_topics(kafka: str) -> None:
    """The registry's names are the same for every test, so each starts without them."""
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        declared = {topic.name for topic in registry("corridor")}
        if present := declared & set(admin.list_topics()):
            admin.delete_topics(sorted(present))
            wait_until(lambda: not declared & set(admin.list_topics()))


@pytest.fixture
def settings(kafka: str) -> Settings:
    return Settings(kafka=kafka, partitions=3, group=unique_name("group"))


def test_apply_creates_every_topic_of_the_registry_as_declared(settings: Settings) -> None:
    names = {topic.name for topic in registry(settings.group)}
    assert {d.topic for d in topic_admin.diff(settings)} == names

    assert topic_admin.apply(settings).left == []

    assert topic_admin.diff(settings) == []
    with KafkaAdminClient(bootstrap_servers=settings.kafka) as admin:
        described = {t["name"]: t for t in admin.describe_topics(sorted(names))}
    declared = {topic.name: topic.partitions or 3 for topic in registry(settings.group)}
    assert {name: len(t["partitions"]) for name, t in described.items()} == declared


def test_a_second_apply_has_nothing_to_do(settings: Settings) -> None:
    topic_admin.apply(settings)
    assert topic_admin.apply(settings) == topic_admin.Applied(done=[], left=[])


def test_apply_puts_back_a_changed_configuration_and_leaves_what_is_not_declared(
    settings: Settings,
) -> None:
    topic_admin.apply(settings)
    resource = ("TOPIC", IOT.name)
    with KafkaAdminClient(bootstrap_servers=settings.kafka) as admin:
        changed = {"retention.ms": "1000", "segment.ms": "60000"}
        admin.alter_configs([ConfigResource(*resource, changed)])
        differences = wait_until(lambda: topic_admin.diff(settings))
        assert [str(difference) for difference in differences] == [
            "tracking.iot has retention.ms=1000, declared 604800000"
        ]

        assert topic_admin.apply(settings).done == ["altered tracking.iot"]

        config = admin.describe_configs([ConfigResource(*resource)])["topic"][IOT.name]
    assert config["retention.ms"]["value"] == IOT.config["retention.ms"]
    assert config["segment.ms"]["value"] == "60000"


def test_apply_never_changes_the_number_of_partitions(settings: Settings) -> None:
    topic_admin.apply(settings)
    more = settings.model_copy(update={"partitions": 5})

    applied = topic_admin.apply(more)

    assert applied.done == []
    assert "tracking.iot has 3 partitions, declared 5" in [str(d) for d in applied.left]
    assert topic_admin.diff(settings) == []


def test_diff_says_what_differs_and_exits_with_1(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRIDOR_KAFKA", settings.kafka)
    monkeypatch.setenv("CORRIDOR_GROUP", settings.group)
    before = CliRunner().invoke(app, ["diff"])
    applied = CliRunner().invoke(app, ["apply"])
    after = CliRunner().invoke(app, ["diff"])
    assert (before.exit_code, applied.exit_code, after.exit_code) == (1, 0, 0)
    assert "tracking.iot is missing" in before.output
    assert "created tracking.iot (8 partitions)" in applied.output
    assert after.output == "no difference\n"


def test_without_a_broker_the_reason_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_admin, "BOOTSTRAP_SECONDS", 0.5)
    monkeypatch.setenv("CORRIDOR_KAFKA", f"127.0.0.1:{free_port()}")
    result = CliRunner().invoke(app, ["diff"])
    assert result.exit_code == 2
    assert result.output.startswith("Kafka at 127.0.0.1:")
    assert result.output.count("\n") == 1
