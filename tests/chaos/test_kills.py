"""Whatever is killed, the tables come out as if nothing had been.

The flights go through two stacks. One is left alone; in the other, processes are killed with -9
at seeded random points, and its supervisor starts them again. In the end every row of every table
has to be the same, but for the columns that say where in Kafka it was. `docs/proofs.md`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bench.fresh_stack import FreshStack, NotQuiet, fresh_stacks
from producers.nycflights13 import SOURCE
from sinks.clickhouse.tables import TABLES, Table
from tests.chaos.fingerprint import Fingerprint, differences, fingerprints
from tests.chaos.kills import carry_out, plan

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Size:
    """How much is replayed, how fast, and who is killed how often."""

    replay: tuple[str, ...]
    victims: tuple[str, ...]
    times: int
    seed: int
    seconds: float
    """How long anything may take."""


SHORT = Size(
    # 8 days in 12 s, so that the broker dies while the replay is on its way
    ("--limit", "20000", "--speed", "57600"),
    ("worker", "sink", "kafka"),
    times=1,
    seed=83,
    seconds=120,
)
YEAR = Size((), ("worker", "sink", "kafka", "clickhouse"), times=2, seed=2013, seconds=900)
SIZES = [
    pytest.param(SHORT, id="short", marks=pytest.mark.timeout(400)),
    pytest.param(YEAR, id="year", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
]


@dataclass
class Runs:
    """Two stacks after the same replay."""

    size: Size
    undisturbed: FreshStack
    """Is down; its data is there."""
    expected: dict[str, Fingerprint]
    disturbed: FreshStack
    """Is up."""
    told: list[str] = field(default_factory=list)
    """Seed, plan, and what happened when."""
    replay_failed: str | None = None
    trouble: str | None = None
    """Why the disturbed stack has not come to rest."""

    def tell(self, text: str) -> None:
        self.told.append(text)
        print(text, flush=True)  # noqa: T201

    def __str__(self) -> str:
        return "\n".join(self.told)


@pytest.fixture(scope="module", params=SIZES)
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Both runs, one after the other; nothing of them is left at the end."""
    size: Size = request.param
    directory = tmp_path_factory.mktemp("chaos")
    with fresh_stacks(directory / "undisturbed", directory / "disturbed") as stacks:
        undisturbed, disturbed = stacks
        undisturbed.run("replay", SOURCE, *_unpaced(size.replay))
        undisturbed.wait_until_quiet(size.seconds)
        expected = fingerprints(undisturbed)
        undisturbed.down()
        result = Runs(size, undisturbed, expected, disturbed)
        _disturb(result)
        yield result


def _unpaced(replay: tuple[str, ...]) -> tuple[str, ...]:
    """The undisturbed run may be as fast as it likes: the pace must not matter either."""
    return replay[: replay.index("--speed")] if "--speed" in replay else replay


def _disturb(runs: Runs) -> None:
    size, stack = runs.size, runs.disturbed
    total = sum(print_.rows for print_ in runs.expected.values())
    kills = plan(size.seed, size.victims, size.times)
    runs.tell(f"\nseed {size.seed}: {', '.join(map(str, kills))} of {total:,} rows")
    replay = stack.start("replay", SOURCE, *size.replay)
    try:
        for death in carry_out(kills, stack, total, size.seconds):
            runs.tell(death)
        printed, _ = replay.communicate(timeout=size.seconds)
        runs.tell(printed.strip())
        runs.replay_failed = printed if replay.returncode else None
        stack.wait_until_quiet(size.seconds)
    except NotQuiet as trouble:
        runs.trouble = str(trouble)
    except AssertionError as late:
        runs.trouble = f"{late}\n{stack.describe()}"
    finally:
        replay.kill()
        replay.wait()


def test_all_victims_died_and_came_back(runs: Runs) -> None:
    restarts = runs.disturbed.restarts()
    assert all(restarts[victim] >= runs.size.times for victim in runs.size.victims), restarts
    assert all(runs.disturbed.process(victim) for victim in runs.size.victims)


def test_the_replay_outlives_the_broker_s_deaths(runs: Runs) -> None:
    assert runs.replay_failed is None, f"{runs}\n{runs.replay_failed}"


def test_workers_and_sink_catch_up(runs: Runs) -> None:
    assert runs.trouble is None, f"{runs}\n{runs.trouble}"


def test_no_message_becomes_a_dead_letter(runs: Runs) -> None:
    letters = runs.disturbed.query("SELECT reason, detail, count() FROM dead_letters GROUP BY 1, 2")
    assert letters == [], runs


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_is_what_it_is_without_kills(runs: Runs, table: Table) -> None:
    if fingerprints(runs.disturbed)[table.name] == runs.expected[table.name]:
        return
    runs.undisturbed.up()
    try:
        found = differences(table, runs.disturbed, runs.undisturbed)
    finally:
        runs.undisturbed.down()
    pytest.fail("\n".join([str(runs), *found]))
