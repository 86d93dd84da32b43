"""Runs a command that ends when whoever started it is gone: `child.py PARENT_PID COMMAND …`.

A program of its own, because code between fork and exec is not safe in a process with threads.
The kernel keeps the promise on Linux; elsewhere `leftovers` finds what was left behind.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def wrapped(command: list[str]) -> list[str]:
    """The command that runs `command` as such a child of this process.

    Start it from a thread that lives as long as the process: Linux means that thread's end.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Asks for the signal, then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # gone before we could ask
        sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
