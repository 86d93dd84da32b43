"""`python -m deploy.local.clickhouse --data DIR`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import structlog

from deploy.local.clickhouse.engine import DataDirectoryInUse
from deploy.local.clickhouse.server import PortInUse, Server, ServerOptions
from deploy.local.clickhouse.users import User


def main() -> int:
    """Runs the server; the exit code is 1 when it could not start."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.clickhouse",
        description="ClickHouse's engine behind its native protocol and HTTP.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="the directory that keeps all data"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--native-port", type=int, default=9000)
    parser.add_argument("--http-port", type=int, default=8123)
    parser.add_argument("--user", default="default")
    parser.add_argument(
        "--password",
        default=os.environ.get("CORRIDOR_CLICKHOUSE_PASSWORD", ""),
        help="default: the environment's CORRIDOR_CLICKHOUSE_PASSWORD, or none",
    )
    given = parser.parse_args()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False)
            if sys.stderr.isatty()
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    options = ServerOptions(
        data=given.data.resolve(),
        host=given.host,
        native_port=given.native_port,
        http_port=given.http_port,
        user=User(given.user, given.password),
    )
    try:
        asyncio.run(_run(options))
    except (DataDirectoryInUse, PortInUse) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(options: ServerOptions) -> None:
    await Server(options).run()


if __name__ == "__main__":
    sys.exit(main())
