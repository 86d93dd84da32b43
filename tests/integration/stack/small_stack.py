"""A stack of two web servers, for tests: `python -m tests.integration.stack.small_stack DATA`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.parts import Listener, Part, Process
from deploy.local.supervisor import Supervisor


def server(
    name: str,
    port: int,
    after: tuple[str, ...] = (),
    *,
    command: tuple[str, ...] = (),
    grace_seconds: float = 10.0,
    start_seconds: float = 20.0,
) -> Process:
    """A process that is ready when it serves."""
    return Process(
        name=name,
        command=command
        or (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", "/"),
        ready=f"http://127.0.0.1:{port}/",
        listeners=(Listener("127.0.0.1", port, f"{name.upper()}_PORT"),),
        after=after,
        grace_seconds=grace_seconds,
        start_seconds=start_seconds,
    )


def two_servers(first: int, second: int) -> list[Part]:
    """The second needs the first."""
    return [server("second", second, after=("first",)), server("first", first)]


async def main(data: Path, ports: list[int]) -> None:
    """Runs until SIGTERM."""
    supervisor = Supervisor(data, two_servers(*ports))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, supervisor.stop)
    await supervisor.run()


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        os._exit(1)
