"""What every process is told from outside: `CORRIDOR_*` environment variables.

One flat table on purpose: an operator sets `CORRIDOR_KAFKA=broker:9092` and nothing else has to
be learned. `docs/settings.md` is generated from the fields below.
"""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Settings of one process; immutable once read."""

    model_config = SettingsConfigDict(env_prefix="CORRIDOR_", frozen=True, extra="ignore")

    data: Path = Field(Path(".corridor"), description="Directory of the embedded stack's data.")
    host: str = Field("127.0.0.1", description="Address that our own servers bind to.")

    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Kafka security protocol."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, with SASL_* protocols."
    )
    kafka_username: str = Field("", description="SASL user.")
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    kafka_cafile: Path | None = Field(None, description="CA certificate for SSL protocols.")
    kafka_heap_mb: int = Field(512, ge=128, description="Heap of the embedded Kafka, in MiB.")
    replication: int = Field(1, ge=1, le=32767, description="Replicas of every topic.")
    partitions: int = Field(
        8,
        ge=1,
        le=1024,
        description="Partitions of the topics keyed by unit; fixed once data is in.",
    )

    clickhouse_host: str = Field("127.0.0.1", description="ClickHouse server.")
    clickhouse_port: Port = Field(9000, description="ClickHouse native protocol port.")
    clickhouse_http_port: Port = Field(8123, description="ClickHouse HTTP port.")
    clickhouse_user: str = Field("default", description="ClickHouse user.")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="ClickHouse password.")
    clickhouse_database: str = Field(
        "corridor", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="ClickHouse database."
    )
    clickhouse_cluster: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_-]*)?$",
        description="Cluster of ClickHouse that the schema is for; '': one server.",
    )
    clickhouse_keep_days: dict[str, Annotated[int, Field(ge=0)]] = Field(
        {},
        description='Days that a table keeps rows, like `{"estimates": 400}`; 0: for ever.',
    )

    group: str = Field(
        "corridor", pattern=r"^[A-Za-z0-9._-]+$", description="Prefix of consumer groups."
    )
    batch_rows: int = Field(50_000, ge=1, description="The sink writes a batch at this many rows,")
    batch_seconds: float = Field(1.0, gt=0, description="or when its first row is this old.")
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        "exactly-once",
        description="A ClickHouse that cannot tell a repeated block is refused, or only warned of.",
    )

    parties: Path | None = Field(None, description="File of the parties, with their hashed tokens.")
    push_port: Port = Field(8301, description="HTTP push gateway.")
    push_bytes: int = Field(4_000_000, ge=1_000, description="Largest message it takes.")
    push_per_minute: int = Field(600, ge=1, description="Messages a party may push in a minute.")
    mqtt: str = Field("127.0.0.1:1883", description="MQTT broker of the locks and trackers.")
    mqtt_version: Literal["3.1.1", "5"] = Field("5", description="MQTT version.")
    mqtt_username: str = Field("", description="MQTT user.")
    mqtt_password: SecretStr = Field(SecretStr(""), description="MQTT password.")
    mqtt_cafile: Path | None = Field(None, description="CA certificate; given, MQTT is over TLS.")
    mqtt_topic: str = Field(
        "corridor/+/+/+", description="Topic filter; its levels: corridor, party, format, device."
    )
    mqtt_group: str = Field(
        "corridor", description="Shared subscription, so that gateways divide the work; '': none."
    )
    gateway_metrics_port: Port = Field(9361, description="A gateway's metrics; each its own.")

    alert_rules: Path | None = Field(
        None, description="File of the alert rules; default: those that come with the package."
    )
    subscribers_port: Port = Field(8401, description="HTTP of the subscriber gateway.")
    subscribers_metrics_port: Port = Field(9381, description="Its metrics and health.")
    subscribers_url: str = Field(
        "", description="Where subscribers find it, for links in messages; default: host and port."
    )
    webhook_private: bool = Field(
        False,
        description="Whether webhooks may go to private, loopback and link-local addresses.",
    )
    smtp: str = Field("", description="Mail server, host:port; without one, no mail is sent.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="How the connection to it is secured."
    )
    smtp_username: str = Field("", description="SMTP user.")
    smtp_password: SecretStr = Field(SecretStr(""), description="SMTP password.")
    smtp_sender: str = Field("corridor@localhost", description="Whom mail comes from.")

    worker_metrics_port: Port = Field(9301, description="First worker's metrics; the next +1 …")
    learner_metrics_port: Port = Field(9371, description="The learner's metrics and health.")
    sink_metrics_port: Port = Field(9351, description="The ClickHouse sink's metrics and health.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Log level."
    )

    @property
    def worker_group(self) -> str:
        """The stream workers' consumer group."""
        return f"{self.group}-workers"

    @property
    def learner_group(self) -> str:
        """The learner's consumer group."""
        return f"{self.group}-learner"

    @property
    def subscriber_group(self) -> str:
        """The subscriber gateway's consumer group."""
        return f"{self.group}-subscribers"

    def kafka_client(self) -> dict[str, Any]:
        """Where Kafka is and how to log in, as keyword arguments of every kafka-python client."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.kafka.split(","),
            "security_protocol": self.kafka_security_protocol,
        }
        if self.kafka_cafile is not None:
            options["ssl_cafile"] = str(self.kafka_cafile)
        if self.kafka_security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password.get_secret_value(),
            }
        return options

    def aiokafka_client(self) -> dict[str, Any]:
        """The same, as keyword arguments of every aiokafka client."""
        options = self.kafka_client()
        options.pop("ssl_cafile", None)
        if "SSL" in self.kafka_security_protocol:
            options["ssl_context"] = self.kafka_tls()
        return options

    def kafka_tls(self) -> ssl.SSLContext:
        """What a TLS connection to Kafka is verified with."""
        cafile = None if self.kafka_cafile is None else str(self.kafka_cafile)
        return ssl.create_default_context(cafile=cafile)


class SettingsError(SystemExit):
    """A setting cannot be used; its text names the variable and the reason."""


def load() -> Settings:
    """Reads the environment.

    Raises:
        SettingsError: one line per variable that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"CORRIDOR_{str(e['loc'][0]).upper()}: {e['msg']} (got {e['input']!r})"
            for e in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None
