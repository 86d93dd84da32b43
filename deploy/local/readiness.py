"""Whether a server does its work: one question, asked over the protocol that its clients use."""

import http.client
import logging
import socket
from urllib.parse import urlsplit

import kafka.errors
from kafka.admin import KafkaAdminClient

TIMEOUT_SECONDS = 3.0


def trouble(url: str) -> str | None:
    """Asks the server at `url`.

    Args:
        url: `http://host:port/path` (200 is well), `kafka://host:port` (a broker takes requests),
            or `tcp://host:port` (something listens).

    Returns:
        None when all is well, else one sentence that says what is not.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    match parts.scheme:
        case "http":
            return _http(host, port, parts.path)
        case "kafka":
            return _tcp(host, port) or _kafka(host, port)
        case "tcp":
            return _tcp(host, port)
    raise ValueError(f"no way to ask {url}")


def _tcp(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), TIMEOUT_SECONDS).close()
    except OSError as error:
        return f"does not listen on port {port} ({error.strerror or error})"
    return None


def _http(host: str, port: int, path: str) -> str | None:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(500).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        return f"does not answer on port {port} ({reason or error or type(error).__name__})"
    finally:
        connection.close()
    return None if response.status == 200 else body or f"answers {response.status}"


def _kafka(host: str, port: int) -> str | None:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # a refused connection is no news here
    try:
        with KafkaAdminClient(
            bootstrap_servers=f"{host}:{port}",
            bootstrap_timeout_ms=int(TIMEOUT_SECONDS * 1000),
            request_timeout_ms=int(TIMEOUT_SECONDS * 1000),
        ) as admin:
            brokers = admin.describe_cluster()["brokers"]
    except (kafka.errors.KafkaError, OSError) as error:
        return f"does not answer Kafka requests ({type(error).__name__})"
    return None if any(not broker["is_fenced"] for broker in brokers) else "is starting"
