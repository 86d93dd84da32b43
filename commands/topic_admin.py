"""Brings a broker's topics to what `corridor/topics.py` declares."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import kafka.errors
from kafka.admin import ConfigResource, KafkaAdminClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from corridor.settings import Settings
from corridor.topics import Topic, registry

BOOTSTRAP_SECONDS = 10.0
"""How long a broker may be silent before it is said not to answer."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as declared."""

    topic: str
    what: str
    mended: bool
    """Whether `apply` changes it; what would move data it leaves to a person."""

    def __str__(self) -> str:
        return f"{self.topic} {self.what}"


@dataclass(frozen=True)
class Applied:
    """What `apply` has done, and what it has left."""

    done: list[str]
    left: list[Difference]


@dataclass(frozen=True)
class _Found:
    partitions: int
    replication: int
    config: dict[str, str]


def diff(settings: Settings) -> list[Difference]:
    """What differs between the broker and the registry.

    Configuration that the registry does not name is the operator's, and no difference.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    with _connect(settings) as admin:
        return _diff(admin, settings)


def apply(settings: Settings) -> Applied:
    """Creates what is missing and alters configuration; safe to repeat and to run in parallel.

    The number of partitions of an existing topic is never changed: the key of a unit would go to
    another partition than its state.

    Raises:
        kafka.errors.KafkaError: the broker does not answer, or refuses.
    """
    topics = {topic.name: topic for topic in registry(settings.group)}
    done: list[str] = []
    with _connect(settings) as admin:
        found = _found(admin, list(topics))
        if missing := [topic for name, topic in topics.items() if name not in found]:
            _create(admin, settings, missing)
            done += [f"created {t.name} ({_partitions(t, settings)} partitions)" for t in missing]
        if altered := [topic for name, topic in topics.items() if _config(topic, found.get(name))]:
            _alter(admin, altered)
            done += [f"altered {topic.name}" for topic in altered]
        return Applied(done, _settled(admin, settings))


def _connect(settings: Settings) -> KafkaAdminClient:
    return KafkaAdminClient(
        **settings.kafka_client(), bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000)
    )


def _partitions(topic: Topic, settings: Settings) -> int:
    return topic.partitions or settings.partitions


def _create(admin: KafkaAdminClient, settings: Settings, topics: list[Topic]) -> None:
    wanted = {
        topic.name: {
            "num_partitions": _partitions(topic, settings),
            "replication_factor": settings.replication,
            "configs": topic.config,
        }
        for topic in topics
    }
    # somebody else may apply at the same time; the rest of the request is carried out then
    with suppress(kafka.errors.TopicAlreadyExistsError):
        admin.create_topics(wanted)
    admin.wait_for_topics(list(wanted))


def _alter(admin: KafkaAdminClient, topics: list[Topic]) -> None:
    resources = [ConfigResource("TOPIC", topic.name, dict(topic.config)) for topic in topics]
    # the broker knows best which settings there are
    results = admin.alter_configs(resources, raise_on_unknown=False)
    for name, result in results["topic"].items():
        if result != "OK":
            raise kafka.errors.KafkaError(f"{name}: {result}")


def _found(admin: KafkaAdminClient, names: list[str]) -> dict[str, _Found]:
    present = {
        topic["name"]: topic["partitions"]
        for topic in admin.describe_topics(names)
        if topic["error_code"] == 0
    }
    if not present:
        return {}
    configs = admin.describe_configs([ConfigResource("TOPIC", name) for name in present])["topic"]
    return {
        name: _Found(
            partitions=len(partitions),
            replication=min(len(partition["replica_nodes"]) for partition in partitions),
            config={key: str(entry["value"]) for key, entry in configs[name].items()},
        )
        for name, partitions in present.items()
    }


def _config(topic: Topic, found: _Found | None) -> dict[str, tuple[str | None, str]]:
    """Settings of an existing topic that differ: what it has, and what is declared."""
    if found is None:
        return {}
    return {
        key: (found.config.get(key), value)
        for key, value in topic.config.items()
        if found.config.get(key) != value
    }


def _diff(admin: KafkaAdminClient, settings: Settings) -> list[Difference]:
    topics = {topic.name: topic for topic in registry(settings.group)}
    found = _found(admin, list(topics))
    return [
        difference
        for name, topic in topics.items()
        for difference in _differences(topic, found.get(name), settings)
    ]


@retry(
    retry=retry_if_result(lambda left: any(difference.mended for difference in left)),
    stop=stop_after_delay(10),
    wait=wait_fixed(0.05),
    retry_error_callback=lambda last: last.outcome.result() if last.outcome else [],
)
def _settled(admin: KafkaAdminClient, settings: Settings) -> list[Difference]:
    """What is left once the broker shows what the controller has agreed to, a moment later."""
    return _diff(admin, settings)


def _differences(topic: Topic, found: _Found | None, settings: Settings) -> Iterator[Difference]:
    if found is None:
        yield Difference(topic.name, "is missing", mended=True)
        return
    if found.partitions != (declared := _partitions(topic, settings)):
        yield Difference(
            topic.name, f"has {found.partitions} partitions, declared {declared}", mended=False
        )
    if found.replication < settings.replication:
        yield Difference(
            topic.name,
            f"has {found.replication} replicas, declared {settings.replication}",
            mended=False,
        )
    for key, (actual, value) in _config(topic, found).items():
        yield Difference(
            topic.name, f"has {key}={actual or '(default)'}, declared {value}", mended=True
        )
