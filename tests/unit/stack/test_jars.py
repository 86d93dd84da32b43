"""Kafka's jars: the bytes that the lock file names, or none."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from jgo.env import LockedDependency, LockFile
from jgo.maven import MavenContext

from deploy.local.errors import StackError
from deploy.local.kafka import jars

Publish = Callable[[bytes], None]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts bytes into a Maven repository as the one jar that a lock file names."""
    repository = tmp_path / "repository"
    lock = tmp_path / "jars.lock.toml"
    jar = LockedDependency("org.example", "tool", "1.0", sha256=sha256(b"good").hexdigest())
    LockFile([jar]).save(lock)
    monkeypatch.setattr(jars, "LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def local_only(repo_cache: Path, timeout: int) -> MavenContext:
        return MavenContext(repo_cache=repo_cache, local_repos=[repository], remote_repos={})

    monkeypatch.setattr(jars, "MavenContext", local_only)

    def write(content: bytes) -> None:
        path = repository / "org" / "example" / "tool" / "1.0" / "tool-1.0.jar"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def test_a_jar_is_fetched_once(publish: Publish) -> None:
    said: list[str] = []
    publish(b"good")
    (first,) = jars.fetch(said.append)
    assert first.read_bytes() == b"good"
    assert jars.fetch(said.append) == [first]
    assert said == ["downloading Kafka's jars, once: 1 of 1"]


def test_a_jar_that_is_not_what_the_lock_file_says_is_not_used(publish: Publish) -> None:
    publish(b"evil")
    with pytest.raises(StackError, match=r"org\.example:tool:1\.0 is not what the lock file says"):
        jars.fetch()
    assert list(jars.cache().iterdir()) == []


def test_a_jar_that_was_damaged_in_the_cache_is_fetched_again(publish: Publish) -> None:
    publish(b"good")
    (path,) = jars.fetch()
    path.write_bytes(b"goo")
    publish(b"good")
    (path,) = jars.fetch()
    assert path.read_bytes() == b"good"


def test_a_jar_that_cannot_be_had_is_one_sentence(publish: Publish) -> None:
    with pytest.raises(StackError, match=r"^Kafka's jars cannot be downloaded") as error:
        jars.fetch()
    assert "\n" not in str(error.value)


def test_the_lock_file_names_each_jar_with_its_hash_and_no_host() -> None:
    text = jars.LOCK.read_text()
    assert "http" not in text
    locked = LockFile.load(jars.LOCK).dependencies
    assert all(len(jar.sha256 or "") == 64 for jar in locked)
    roots = {root.rstrip("!") for root in jars.ROOTS}
    assert roots <= {f"{jar.groupId}:{jar.artifactId}:{jar.version}" for jar in locked}


def test_every_kafka_jar_is_of_one_version() -> None:
    # a BOM that has a say in the resolution once chose kafka-clients 3.9 for a 4.3 broker
    locked = LockFile.load(jars.LOCK).dependencies
    assert len({jar.version for jar in locked if jar.groupId == "org.apache.kafka"}) == 1
