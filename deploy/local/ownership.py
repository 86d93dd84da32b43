"""One stack per data directory: the lock that says so, and what a killed one has left behind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from deploy.local import state
from deploy.local.errors import StackError
from deploy.local.output import open_to_append

MARK = "CORRIDOR_STACK"
"""Variable in the environment of every process of a stack, with its data directory as value.

It is there from a process's first moment and in its children too, where a file of process ids
would miss what was started just before the supervisor was killed.
"""


@contextmanager
def owned(data: Path) -> Iterator[None]:
    """Owns a data directory for the length of a `with` block; ends with the process, however.

    Raises:
        StackError: somebody else owns it.
    """
    with open_to_append(data / "run" / "lock", data) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            before = state.read(data)
            pid = f" (pid {before.supervisor.pid})" if before else ""
            raise StackError(
                f"The stack with its data in {data} is running already{pid}: "
                "corridor status shows it, corridor down stops it."
            ) from None
        yield


def leftovers(data: Path) -> list[psutil.Process]:
    """Living processes of a stack, but for its supervisor."""
    mark, found = str(data), []
    for process in psutil.process_iter():
        try:
            if (
                process.pid != os.getpid()
                and process.environ().get(MARK) == mark
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue  # not ours to look into, or gone
    before = state.read(data)
    for part in before.parts if before else ():
        known = part.process.find() if part.process else None
        if known is not None and known not in found:
            found.append(known)
    return found


def end(processes: list[psutil.Process], grace_seconds: float = 15.0) -> None:
    """Ends processes: asks, and after a while does not ask."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_seconds)
