"""What `corridor status` tells, gathered from the state file, the processes and Kafka."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kafka.errors
import psutil
from pydantic import BaseModel

from commands import lag
from commands.lag import TopicLag
from corridor.settings import Settings
from deploy.local import ownership, readiness, state
from deploy.local.parts import log_path
from deploy.local.state import PartState, Status


class ProcessReport(BaseModel):
    """One process."""

    name: str
    state: Status
    pid: int | None
    uptime_seconds: float | None
    rss_bytes: int | None
    """Memory of the process and its children."""
    restarts: int
    healthy: bool
    health: str
    """`ok`, or a sentence."""
    endpoint: str | None
    log: Path


class StackReport(BaseModel):
    """The stack."""

    data: Path
    running: bool
    """A supervisor is there."""
    healthy: bool
    """It is, and every process does its work."""
    supervisor_pid: int | None = None
    error: str | None = None
    """Why the last start failed."""
    leftover_pids: list[int] = []
    """Processes whose supervisor was killed."""
    processes: list[ProcessReport] = []
    lag: list[TopicLag] = []
    lag_error: str | None = None


def gather(settings: Settings, data: Path) -> StackReport:
    """Asks everyone now; takes a few seconds at most, when somebody does not answer."""
    known = state.read(data)
    supervisor = known.supervisor.find() if known else None
    if known is None or supervisor is None:
        return StackReport(
            data=data,
            running=False,
            healthy=False,
            error=known.error if known else None,
            leftover_pids=[process.pid for process in ownership.leftovers(data)],
        )
    parts = [part for part in known.parts if part.kind == "process"]
    with ThreadPoolExecutor(len(parts) + 1) as pool:
        learner = any(part.name == "learner" for part in parts)
        measured = pool.submit(_lag, settings, learner=learner)
        processes = list(pool.map(lambda part: _process(data, part), parts))
        rows, lag_error = measured.result()
    return StackReport(
        data=data,
        running=True,
        healthy=all(process.healthy for process in processes),
        supervisor_pid=supervisor.pid,
        error=known.error,
        processes=processes,
        lag=rows,
        lag_error=lag_error,
    )


def _process(data: Path, part: PartState) -> ProcessReport:
    process = part.process.find() if part.process else None
    trouble = (
        readiness.trouble(part.ready) if process and part.ready else part.detail or "is not up"
    )
    return ProcessReport(
        name=part.name,
        state=part.status,
        pid=process.pid if process else None,
        uptime_seconds=time.time() - process.create_time() if process else None,
        rss_bytes=_memory(process) if process else None,
        restarts=part.restarts,
        healthy=trouble is None,
        health=trouble or "ok",
        endpoint=part.ready,
        log=log_path(data, part.name),
    )


def _memory(process: psutil.Process) -> int | None:
    try:
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family)
    except psutil.Error:
        return None  # gone in this moment


def _lag(settings: Settings, *, learner: bool) -> tuple[list[TopicLag], str | None]:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what fails is in the answer
    try:
        return lag.measure(settings, learner=learner), None
    except (kafka.errors.KafkaError, OSError) as error:
        return [], f"Kafka at {settings.kafka} does not answer: {error}"
