"""The jars of Apache Kafka: which ones (`jars.lock.toml`), and how they get onto this machine.

The lock file names every jar by its Maven coordinates and its SHA-256, so that two machines run
the same bytes. `python -m deploy.local.kafka.jars` writes it anew after `ROOTS` has changed.
"""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from hashlib import file_digest
from pathlib import Path

import requests
from jgo.env import LockedDependency, LockFile
from jgo.maven import MavenContext
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from deploy.local.errors import StackError

ROOTS = (
    "org.apache.kafka:kafka_2.13:4.3.1!",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!",
)
"""What is asked for; the lock file also holds all that these need at run time.

Each is raw (`!`): the logging binding's parent would choose an old kafka-clients otherwise.
"""

LOCK = Path(__file__).with_name("jars.lock.toml")

_DOWNLOADS = 6
_TIMEOUT_SECONDS = 30


def cache() -> Path:
    """Where jars are kept: once for all data directories of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corridor" / "jars"


def fetch(report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Brings the locked jars into the cache, if they are not there yet.

    A jar appears in the cache whole and verified or not at all, so that a process that dies here,
    or two that run here at the same time, leave nothing to repair.

    Args:
        report: Is told, in a few words, how far the download is.

    Returns:
        The class path.

    Raises:
        StackError: a jar cannot be had, or is not what the lock file says.
    """
    locked = LockFile.load(LOCK).dependencies
    paths = [_path(jar) for jar in locked]
    missing = [
        jar for jar, path in zip(locked, paths, strict=True) if not _is_whole(path, jar.sha256)
    ]
    if not missing:
        return paths
    cache().mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".download-", dir=cache()) as staging,
        ThreadPoolExecutor(_DOWNLOADS) as pool,
    ):
        maven = MavenContext(repo_cache=Path(staging), timeout=_TIMEOUT_SECONDS)
        downloads = [pool.submit(_download, maven, jar) for jar in missing]
        try:
            for done, download in enumerate(as_completed(downloads), 1):
                download.result()
                report(f"downloading Kafka's jars, once: {done} of {len(missing)}")
        except (requests.RequestException, RuntimeError) as error:
            raise StackError(
                f"Kafka's jars cannot be downloaded from Maven's central repository: {error}"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure, no more
    return paths


def write_lock() -> None:
    """Resolves `ROOTS` and writes down what came out."""
    with tempfile.TemporaryDirectory() as staging:
        maven = MavenContext(repo_cache=Path(staging), timeout=_TIMEOUT_SECONDS)
        roots = [maven.create_dependency(root) for root in ROOTS]
        inputs, transitive = maven.resolver.resolve(roots)
        jars = [*inputs, *(jar for jar in transitive if jar.scope in ("compile", "runtime"))]
        lock = LockFile.from_resolved_dependencies(jars, environment_name="kafka")
    lock.dependencies.sort(key=lambda jar: (jar.groupId, jar.artifactId))
    lock.save(LOCK)


@retry(
    retry=retry_if_exception_type(requests.RequestException),
    stop=stop_after_attempt(3),
    wait=wait_exponential(0.5),
    reraise=True,
)
def _download(maven: MavenContext, jar: LockedDependency) -> None:
    artifact = maven.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact()
    if (part := artifact.cached_path) is not None:
        part.unlink(missing_ok=True)  # of a try that broke off; jgo would take it for the jar
    downloaded = artifact.resolve()
    if not _is_whole(downloaded, jar.sha256):
        raise StackError(
            f"{jar.groupId}:{jar.artifactId}:{jar.version} is not what the lock file says "
            f"(SHA-256 differs): it is not used."
        )
    os.replace(downloaded, _path(jar))


def _path(jar: LockedDependency) -> Path:
    return cache() / f"{jar.artifactId}-{jar.version}.jar"


def _is_whole(path: Path, sha256: str | None) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == sha256


if __name__ == "__main__":
    write_lock()
