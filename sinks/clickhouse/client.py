"""The connection to ClickHouse: how it is made, and how a block is put there."""

from clickhouse_driver import Client

from corridor.settings import Settings

CONNECT_SECONDS = 5
ANSWER_SECONDS = 60
"""An insert that has no answer after this long is taken for lost, and tried again."""


def connect(settings: Settings) -> Client:
    """A client that has not connected yet; it does so at its first statement.

    It names no database: statements do, so that a database can be created through it.
    """
    return Client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=ANSWER_SECONDS,
        client_name="corridor-sink",
    )
