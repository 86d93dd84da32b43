"""Whether the ports of a stack are free, and who has them if not."""

import errno
import socket
from collections.abc import Iterable

import psutil

from deploy.local.errors import StackError
from deploy.local.parts import Process


def check(processes: Iterable[Process]) -> None:
    """Tries every port.

    Raises:
        StackError: says which process needs the port, who has it, and which setting moves it.
    """
    for process in processes:
        for listener in process.listeners:
            try:
                # with SO_REUSEADDR, as the servers do: connections of the last run do not matter
                socket.create_server((listener.host, listener.port)).close()
            except OSError as error:
                what = f"Port {listener.port}, which {process.name} needs, "
                if error.errno == errno.EADDRINUSE:
                    reason = f"is in use{_user(listener.port)}: end that, or set"
                else:
                    reason = f"cannot be had on {listener.host} ({error.strerror or error}): set"
                raise StackError(f"{what}{reason} {listener.setting} to another.") from None


def _user(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid is not None
            ):
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # other users' processes are not always ours to see
    return ""
