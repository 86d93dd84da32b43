"""What a stack is made of, as data: processes to keep running, and steps to do once."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Report = Callable[[str], None]
"""Takes a few words about how far something is."""


@dataclass(frozen=True)
class Listener:
    """A port that a process listens on, and the setting that moves it elsewhere."""

    host: str
    port: int
    setting: str


@dataclass(frozen=True)
class Process:
    """A process to be kept running."""

    name: str
    command: tuple[str, ...]
    ready: str
    """URL that is asked whether the process does its work; see `readiness`."""
    listeners: tuple[Listener, ...]
    after: tuple[str, ...] = ()
    """Names of the parts that must be ready before this one starts, and stop after it."""
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 20.0
    """How long it may take to stop before it is killed."""
    start_seconds: float = 90.0
    """How long it may take to become ready at the stack's start."""


@dataclass(frozen=True)
class Step:
    """Something to be done once at each start, safe to repeat."""

    name: str
    run: Callable[[Report], None]
    """Blocks; raises `StackError`, with its sentence, if the stack cannot start."""
    after: tuple[str, ...] = ()


Part = Process | Step


def log_path(data: Path, name: str) -> Path:
    """The file with a process's output."""
    return data / "logs" / f"{name}.log"
