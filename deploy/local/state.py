"""What a running stack tells about itself: one file, written whole at every change."""

import os
import time
from enum import StrEnum
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError


class Status(StrEnum):
    """How a part fares."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"  # a step
    TROUBLED = "troubled"  # runs, but says that it is not well
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ProcessId(BaseModel):
    """A process, told apart from a later one with the same number."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    """Unix seconds."""

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Of a living process; of one that is gone already, a value that finds nothing."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return cls(pid=pid, started=0.0)

    def find(self) -> psutil.Process | None:
        """The process, if it still lives."""
        try:
            process = psutil.Process(self.pid)
            # the start time is told relative to a clock that may be set in between
            same = abs(process.create_time() - self.started) < 2
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class PartState(BaseModel):
    """One process or step."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    status: Status = Status.WAITING
    detail: str = ""
    since: float = 0.0
    """When `status` became so, in Unix seconds."""
    took_seconds: float | None = None
    """From its start until it was ready or done."""
    process: ProcessId | None = None
    restarts: int = 0
    ready: str | None = None


class StackState(BaseModel):
    """The whole stack."""

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessId
    up: bool = False
    """Everything has been ready."""
    error: str | None = None
    """Why the start failed."""
    parts: tuple[PartState, ...] = ()


def read(data: Path) -> StackState | None:
    """What the last supervisor of a data directory wrote; None if there was none."""
    try:
        return StackState.model_validate_json(_path(data).read_bytes())
    except (FileNotFoundError, ValidationError):  # the latter: of another version
        return None


def write(data: Path, state: StackState) -> None:
    """Replaces the file, so that a reader sees the old state or the new one."""
    path = _path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(state.model_dump_json())
    os.replace(aside, path)


def now() -> float:
    """Unix seconds."""
    return time.time()


def _path(data: Path) -> Path:
    return data / "run" / "state.json"
