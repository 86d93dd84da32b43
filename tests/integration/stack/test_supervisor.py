"""The supervisor: order, restarts, stops, and what is left when it is killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import ownership, state
from deploy.local.errors import StackError
from deploy.local.parts import Report, Step, log_path
from deploy.local.state import PartState, Status
from deploy.local.supervisor import Supervisor
from tests.integration.stack.small_stack import server, two_servers
from tests.support import ROOT, free_port, wait_until


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    yield
    left = ownership.leftovers(tmp_path)
    ownership.end(left)
    assert not left


def part(supervisor: Supervisor, name: str) -> PartState:
    return next(part for part in supervisor.state.parts if part.name == name)


async def until(condition: Callable[[], object], deadline: float = 20.0) -> None:
    async with asyncio.timeout(deadline):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def drive(supervisor: Supervisor, scenario: Callable[[], Awaitable[None]]) -> None:
    """Runs a supervisor until it is up, then the scenario, then stops it."""

    async def main() -> None:
        running = asyncio.create_task(supervisor.run())
        up = asyncio.create_task(until(lambda: supervisor.state.up))
        await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not running.done():
                await scenario()
        finally:
            up.cancel()
            supervisor.stop()
            await running

    asyncio.run(main())


async def nothing() -> None:
    pass


def test_a_process_starts_when_what_it_needs_is_ready_and_stops_before_it(tmp_path: Path) -> None:
    seen: list[tuple[str, Status]] = []

    class Recorder(Supervisor):
        def _set(self, name: str, **changes: object) -> None:
            super()._set(name, **changes)
            status = part(self, name).status
            if (name, status) not in seen:
                seen.append((name, status))

    drive(Recorder(tmp_path, two_servers(free_port(), free_port())), nothing)

    assert seen == [
        ("first", Status.STARTING),
        ("first", Status.READY),
        ("second", Status.STARTING),
        ("second", Status.READY),
        ("second", Status.STOPPING),
        ("second", Status.STOPPED),
        ("first", Status.STOPPING),
        ("first", Status.STOPPED),
    ]


def test_a_killed_process_starts_again_and_the_others_stay(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(tmp_path, two_servers(free_port(), free_port()), said.append)

    async def scenario() -> None:
        first, second = (part(supervisor, name).process for name in ("first", "second"))
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: part(supervisor, "first").restarts == 1)
        await until(lambda: part(supervisor, "first").status == Status.READY)
        assert part(supervisor, "first").process not in (None, first)
        assert part(supervisor, "second").process == second

    drive(supervisor, scenario)
    assert said == ["first ended with SIGKILL; starts again in 0.5 s", "first is ready again"]


def test_a_process_that_does_not_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    port = free_port()
    stubborn = (
        "import http.server, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"http.server.test(http.server.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"
    )
    said: list[str] = []
    process = server("deaf", port, command=(sys.executable, "-c", stubborn), grace_seconds=0.5)
    drive(Supervisor(tmp_path, [process], said.append), nothing)
    assert said == ["deaf did not stop within 0.5 s and was killed"]


def test_a_second_request_to_stop_does_not_wait_for_the_grace(tmp_path: Path) -> None:
    port = free_port()
    stubborn = (
        "import http.server, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"http.server.test(http.server.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"
    )
    process = server("deaf", port, command=(sys.executable, "-c", stubborn), grace_seconds=600)
    supervisor = Supervisor(tmp_path, [process])

    async def scenario() -> None:
        supervisor.stop()

    drive(supervisor, scenario)  # stops it again
    assert part(supervisor, "deaf").detail == "killed"


def test_a_process_that_cannot_start_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    broken = server("broken", free_port(), command=(sys.executable, "-c", "exit('no luck')"))
    other = server("other", free_port())
    supervisor = Supervisor(tmp_path, [other, broken])
    with pytest.raises(StackError, match=r"(?s)^broken does not start: it ended 3 times.*no luck"):
        drive(supervisor, nothing)
    known = state.read(tmp_path)
    assert known is not None
    assert known.error is not None
    assert {p.name: p.status for p in known.parts} == {
        "broken": Status.FAILED,
        "other": Status.STOPPED,
    }


def test_a_process_that_never_gets_ready_ends_the_start(tmp_path: Path) -> None:
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
    process = server("sleeper", free_port(), command=sleeper, start_seconds=1.0)
    with pytest.raises(StackError, match="sleeper does not start: after 1 s it does not answer"):
        drive(Supervisor(tmp_path, [process]), nothing)


def test_a_failing_step_ends_the_start_before_what_needs_it(tmp_path: Path) -> None:
    def fail(report: Report) -> None:
        report("trying")
        raise ValueError("the schema is from the future")

    later = server("later", free_port(), after=("migrate",))
    supervisor = Supervisor(tmp_path, [Step("migrate", fail), later])
    with pytest.raises(StackError, match=r"^migrate failed: the schema is from the future$"):
        drive(supervisor, nothing)
    assert not log_path(tmp_path, "later").exists()


def test_output_goes_to_a_file_of_each_process(tmp_path: Path) -> None:
    drive(Supervisor(tmp_path, two_servers(free_port(), free_port())), nothing)
    for name in ("first", "second"):
        assert "GET / HTTP" in log_path(tmp_path, name).read_text()


def test_a_port_in_use_is_named_with_its_user_and_the_setting_that_moves_it(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        name = psutil.Process().name()
        with pytest.raises(StackError) as error:
            drive(Supervisor(tmp_path, [server("first", port)]), nothing)
    assert str(error.value) == (
        f"Port {port}, which first needs, is in use by {name} (pid {os.getpid()}): "
        "end that, or set FIRST_PORT to another."
    )


def start_small_stack(data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.stack.small_stack", str(data)]
    return subprocess.Popen(
        [*command, str(free_port()), str(free_port())],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def up(data: Path, process: "subprocess.Popen[str]") -> state.StackState:
    def known() -> state.StackState | None:
        found = state.read(data)
        return found if found and found.up and found.supervisor.pid == process.pid else None

    return wait_until(known) or pytest.fail("not up")


def test_a_second_stack_on_the_same_data_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with start_small_stack(tmp_path) as first:
        up(tmp_path, first)
        with start_small_stack(tmp_path) as second:
            _, words = second.communicate(timeout=20)
        assert second.returncode == 1
        assert words == (
            f"The stack with its data in {tmp_path} is running already (pid {first.pid}): "
            "corridor status shows it, corridor down stops it.\n"
        )
        first.terminate()
        assert first.wait(20) == 0


def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with start_small_stack(tmp_path) as supervisor:
        known = up(tmp_path, supervisor)
        supervisor.kill()
    children = [part.process for part in known.parts if part.process]
    assert len(children) == 2
    if sys.platform == "linux":
        wait_until(lambda: not any(child.find() for child in children))
    assert known.supervisor.find() is None


def test_the_next_stack_ends_what_a_killed_one_has_left(tmp_path: Path) -> None:
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, ownership.MARK: str(tmp_path)},
    ) as left:
        found = wait_until(lambda: ownership.leftovers(tmp_path))
        assert [process.pid for process in found] == [left.pid]
        drive(Supervisor(tmp_path, two_servers(free_port(), free_port()), said.append), nothing)
        assert not psutil.pid_exists(left.pid)
    assert len(said) == 1
    assert said[0].startswith("ending what a killed stack has left behind: python")


def test_a_leftover_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{deaf}; time.sleep(600)"],
        env={**os.environ, ownership.MARK: str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as left:
        assert left.stdout is not None
        left.stdout.readline()
        ownership.end(ownership.leftovers(tmp_path), grace_seconds=0.2)
        assert not psutil.pid_exists(left.pid)


def test_a_reused_process_number_is_not_taken_for_ours() -> None:
    mine = state.ProcessId.of(os.getpid())
    assert mine.find() is not None
    assert mine.model_copy(update={"started": time.time() - 3600}).find() is None
