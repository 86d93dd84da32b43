"""Starts the parts of a stack in order, keeps its processes running, stops them in reverse.

It promises: a process starts when all that it needs is ready; one that ends is started again,
ever more slowly; one that does not stop is killed; and nothing outlives the supervisor. If the
supervisor itself is killed, its children are told to stop (`child`), and the next one to own the
data directory ends what is left (`ownership`).
"""

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process as Child
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.local import child, output, ownership, ports, readiness, state
from deploy.local.errors import StackError
from deploy.local.parts import Part, Process, Step, log_path
from deploy.local.state import PartState, ProcessId, StackState, Status

START_TRIES = 3
"""A process that ends this often before it was ever ready will not get ready."""

QUIET_START_SECONDS = 8.0
"""Until then it is no news that a process is not ready."""

PROBE_SECONDS = 5.0
START_PROBE_SECONDS = 0.1
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""Who has run this long is started at once when it ends."""


class Supervisor:
    """One run of a stack."""

    def __init__(
        self,
        data: Path,
        parts: Sequence[Part],
        announce: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Nothing happens yet.

        Args:
            data: Absolute path of the data directory.
            parts: What to run; the order does not matter.
            announce: Is told, in a sentence, what a person should know.
        """
        self._data = data
        self._parts = {part.name: part for part in parts}
        self._announce = announce
        self._ready = {name: asyncio.Event() for name in self._parts}
        self._children: dict[str, Child] = {}
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._spawns: set[asyncio.Task[Child]] = set()
        self._asked_to_stop = asyncio.Event()
        self._in_a_hurry = asyncio.Event()
        self.state = StackState(
            supervisor=ProcessId.of(os.getpid()),
            parts=tuple(
                PartState(
                    name=part.name,
                    kind="process" if isinstance(part, Process) else "step",
                    since=state.now(),
                    ready=part.ready if isinstance(part, Process) else None,
                )
                for part in parts
            ),
        )

    def stop(self) -> None:
        """Asks for an orderly stop; asked again, kills."""
        if self._asked_to_stop.is_set():
            self._in_a_hurry.set()
        self._asked_to_stop.set()

    async def stopping(self) -> None:
        """Returns when `stop` has been called."""
        await self._asked_to_stop.wait()

    async def run(self) -> None:
        """Returns when the stack has stopped because `stop` was called.

        Raises:
            StackError: it could not start; all that ran has been stopped.
        """
        with ownership.owned(self._data):
            self._write()
            try:
                await asyncio.to_thread(self._clear)
                await self._run()
            except StackError as error:
                self.state = self.state.model_copy(update={"error": str(error)})
                raise
            finally:
                self._write()

    def _clear(self) -> None:
        if left := ownership.leftovers(self._data):
            names = ", ".join(sorted({process.name() for process in left if process.is_running()}))
            self._announce(f"ending what a killed stack has left behind: {names or 'processes'}")
            ownership.end(left)
        ports.check(part for part in self._parts.values() if isinstance(part, Process))

    async def _run(self) -> None:
        keepers = [asyncio.create_task(self._keep(part)) for part in self._parts.values()]
        stopped = asyncio.create_task(self._asked_to_stop.wait())
        started = asyncio.create_task(self._all_ready(self._parts))
        try:
            watched: set[asyncio.Task[Any]] = {stopped, started, *keepers}
            while not stopped.done():
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                watched -= done
                for task in done:
                    task.result()  # what a keeper raises ends the stack
                if started in done:
                    self.state = self.state.model_copy(update={"up": True})
                    self._write()
        finally:
            await _cancel([*keepers, started, stopped])
            await self._stop_all()

    async def _all_ready(self, names: Sequence[str] | dict[str, Part]) -> None:
        for name in names:
            await self._ready[name].wait()

    async def _keep(self, part: Part) -> None:
        await self._all_ready(part.after)
        if isinstance(part, Step):
            await self._perform(part)
        else:
            await self._keep_running(part)

    async def _perform(self, step: Step) -> None:
        began = time.monotonic()
        loop = asyncio.get_running_loop()

        def report(text: str) -> None:
            if self._asked_to_stop.is_set():
                raise StackError("stopped")
            loop.call_soon_threadsafe(tell, text)

        def tell(text: str) -> None:
            if self._part(step.name).status == Status.STARTING:
                self._set(step.name, detail=text)

        self._set(step.name, status=Status.STARTING)
        try:
            await asyncio.to_thread(step.run, report)
        except StackError as error:
            self._set(step.name, status=Status.FAILED, detail=str(error))
            raise
        except Exception as error:
            # a step is other people's code; whatever it raises is the reason, not a traceback
            reason = f"{step.name} failed: {error or type(error).__name__}"
            self._set(step.name, status=Status.FAILED, detail=reason)
            raise StackError(reason) from error
        took = time.monotonic() - began
        self._set(step.name, status=Status.DONE, detail="", took_seconds=took)
        self._ready[step.name].set()

    async def _keep_running(self, process: Process) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            code = await self._run_once(process)
            if not self._ready[process.name].is_set():
                failures += 1
                if failures >= START_TRIES:
                    raise self._does_not_start(
                        process, f"it ended {failures} times, the last with {_words(code)}"
                    )
            elif time.monotonic() - began > STEADY_SECONDS:
                failures = 0
            else:
                failures += 1
            pause = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** max(0, failures - 1))
            why = f"ended with {_words(code)}; starts again in {pause:g} s"
            part = self._part(process.name)
            self._set(
                process.name,
                status=Status.RESTARTING,
                detail=why,
                process=None,
                restarts=part.restarts + 1,
            )
            self._announce(f"{process.name} {why}")
            await asyncio.sleep(pause)

    async def _run_once(self, process: Process) -> int:
        """Starts a process and returns its exit code when it has ended."""
        began = time.monotonic()
        spawn = asyncio.create_task(self._spawn(process))
        self._spawns.add(spawn)
        running = await asyncio.shield(spawn)  # a child is known to `_stop_all` or never born
        self._spawns.discard(spawn)
        self._set(
            process.name, status=Status.STARTING, detail="", process=ProcessId.of(running.pid)
        )
        ended = asyncio.create_task(running.wait())
        was_ready = False
        try:
            while True:
                pause = PROBE_SECONDS if was_ready else START_PROBE_SECONDS
                if (await asyncio.wait({ended}, timeout=pause))[0]:
                    break
                trouble = await asyncio.to_thread(readiness.trouble, process.ready)
                if ended.done():
                    break
                took = time.monotonic() - began
                if trouble is None and not was_ready:
                    was_ready = True
                    self._set(process.name, status=Status.READY, detail="", took_seconds=took)
                    if self._part(process.name).restarts and self.state.up:
                        self._announce(f"{process.name} is ready again")
                    self._ready[process.name].set()
                elif trouble is None:
                    self._set(process.name, status=Status.READY, detail="")
                elif was_ready:
                    self._set(process.name, status=Status.TROUBLED, detail=trouble)
                elif took < process.start_seconds:
                    if took > QUIET_START_SECONDS:
                        self._set(process.name, status=Status.STARTING, detail=trouble)
                elif self._ready[process.name].is_set():
                    self._set(process.name, status=Status.TROUBLED, detail=trouble)
                else:
                    raise self._does_not_start(process, f"after {took:.0f} s it {trouble}")
            self._children.pop(process.name, None)
            _kill_group(running.pid)  # children of its own that it did not take along
            return ended.result()
        finally:
            ended.cancel()

    async def _spawn(self, process: Process) -> Child:
        running = await asyncio.create_subprocess_exec(
            *child.wrapped(list(process.command)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                **process.env,
                ownership.MARK: str(self._data),
            },
            start_new_session=True,  # a Ctrl-C at the terminal is for the supervisor alone
        )
        self._children[process.name] = running
        assert running.stdout is not None
        path = log_path(self._data, process.name)
        self._pumps[process.name] = asyncio.create_task(output.pump(running.stdout, path))
        return running

    async def _stop_all(self) -> None:
        """Stops every process, each after all that need it."""
        await asyncio.gather(*self._spawns, return_exceptions=True)
        stopped = {name: asyncio.Event() for name in self._parts}

        async def stop(part: Part) -> None:
            try:
                for other in self._parts.values():
                    if part.name in other.after:
                        await stopped[other.name].wait()
                if isinstance(part, Process):
                    await self._stop(part)
                elif self._part(part.name).status in (Status.WAITING, Status.STARTING):
                    self._set(part.name, status=Status.STOPPED, detail="")
            finally:
                stopped[part.name].set()

        await asyncio.gather(*(stop(part) for part in self._parts.values()))
        await asyncio.gather(*self._pumps.values(), return_exceptions=True)

    async def _stop(self, process: Process) -> None:
        # a process that has failed goes on saying so
        failed = self._part(process.name).status == Status.FAILED
        detail = self._part(process.name).detail if failed else ""
        if (running := self._children.pop(process.name, None)) is not None:
            if not failed:
                self._set(process.name, status=Status.STOPPING, detail="")
            killed = await self._end(process, running)
            detail = detail or killed
        status = Status.FAILED if failed else Status.STOPPED
        self._set(process.name, status=status, detail=detail, process=None)

    async def _end(self, process: Process, running: Child) -> str:
        """Ends a child; says how, if it had to be killed."""
        with suppress(ProcessLookupError):
            running.send_signal(process.stop_signal)
        ended = asyncio.create_task(running.wait())
        hurry = asyncio.create_task(self._in_a_hurry.wait())
        grace = process.grace_seconds
        await asyncio.wait({ended, hurry}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        in_time = ended.done()
        _kill_group(running.pid)  # itself, or children of its own that it did not take along
        await ended
        if in_time:
            return ""
        if self._in_a_hurry.is_set():
            return "killed"
        self._announce(f"{process.name} did not stop within {grace:g} s and was killed")
        return f"killed after {grace:g} s"

    def _does_not_start(self, process: Process, why: str) -> StackError:
        path = log_path(self._data, process.name)
        last = "".join(f"\n  {line}" for line in output.last_lines(path, 3))
        self._set(process.name, status=Status.FAILED, detail=why)
        return StackError(
            f"{process.name} does not start: {why}.\nThe end of {_short(path)}:{last or ' empty'}"
        )

    def _part(self, name: str) -> PartState:
        return next(part for part in self.state.parts if part.name == name)

    def _set(self, name: str, **changes: object) -> None:
        before = self._part(name)
        after = before.model_copy(update=changes)
        if after == before:
            return
        if after.status != before.status:
            after = after.model_copy(update={"since": state.now()})
        parts = tuple(after if part.name == name else part for part in self.state.parts)
        self.state = self.state.model_copy(update={"parts": parts})
        self._write()

    def _write(self) -> None:
        try:
            state.write(self._data, self.state)
        except OSError as error:
            # a full disk must not stop what still runs
            self._announce(f"the state cannot be written: {error.strerror or error}")


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _short(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
