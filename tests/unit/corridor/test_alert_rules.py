"""The rules of alerts: data that explains what is wrong with it."""

from datetime import timedelta
from pathlib import Path

import pytest

from corridor.alerting.rules import RulesError, packaged, parse, read
from corridor.codes import AlertKind, Mode

PACKAGED = Path("corridor/alerting/rules.yaml").read_text(encoding="utf-8")


def with_overrides(text: str) -> str:
    return PACKAGED.replace("overrides: []", f"overrides:\n{text}")


def test_the_packaged_rules_have_a_threshold_for_each_kind_and_mode() -> None:
    for kind in AlertKind:
        for mode in Mode:
            bounds = packaged().rule(kind, mode).thresholds
            assert any(bound is not None for bound in bounds), (kind, mode)


def test_a_mode_has_its_own_levels() -> None:
    rule = packaged().rule(AlertKind.DELAY, Mode.RAIL)
    assert rule.thresholds == (3600.0, 6 * 3600.0, 86400.0)
    assert rule.name == "DELAY.RAIL"


def test_what_is_excepted_for_a_corridor_holds_there_only() -> None:
    rules = parse(
        with_overrides("  - {corridor_id: C, kind: DELAY, levels: {RAIL: {MINOR: 30m}}}\n")
    )
    assert rules.rule(AlertKind.DELAY, Mode.RAIL, "C").thresholds == (1800.0, None, None)
    assert rules.rule(AlertKind.DELAY, Mode.RAIL, "C").name == "DELAY.RAIL@C"
    assert rules.rule(AlertKind.DELAY, Mode.RAIL, "D") == packaged().rule(
        AlertKind.DELAY, Mode.RAIL, "D"
    )


def test_what_is_excepted_for_a_party_holds_for_its_shipments_and_wins() -> None:
    rules = parse(
        with_overrides(
            "  - {corridor_id: C, kind: DELAY, opens_at: 0.9, for: 1h}\n"
            "  - {party: ACME, kind: DELAY, opens_at: 0.5}\n"
        )
    )
    rule = rules.rule(AlertKind.DELAY, Mode.RAIL, "C", ("ACME", "OTHER"))
    assert (rule.opens_at, rule.hold) == (0.5, timedelta(hours=1))
    assert rules.rule(AlertKind.DELAY, Mode.RAIL, "C", ("OTHER",)).opens_at == 0.9


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("MINOR: 1h", "MINOR: 1"), "levels of DELAY are spans"),
        (("CRITICAL: 0.8", "CRITICAL: 8h"), "levels of MISSED_CONNECTION are probabilities"),
        (("for: 30m", "for: 30"), "a span needs a unit"),
        (("for: 30m", "for: soon"), "a span is a number and"),
        (("{MINOR: 15m, MAJOR: 1h", "{MINOR: 2h, MAJOR: 1h"), "levels of AIR must ascend"),
        (("opens_at: 0.75", "opens_at: 0.2"), "clears_at must not be above opens_at"),
        (("opens_at: 0.75", "opens_at: 7"), "less than or equal to 1"),
        (("  CANCELLED:", "  CANCELED:"), "CANCELED"),
        (("\nflapping:", "\nflaping:"), "flaping"),
        (("within: 2d, usual", "within: 2, usual"), "a span needs a unit"),
        (("usual: 30d", "usual: 1d"), "usual must be longer than within"),
        (("runs: 3", "runs: 1"), "greater than or equal to 2"),
        (("overrides: []", "overrides: ["), "expected"),
    ],
)
def test_rules_that_cannot_be_used_say_why(change: tuple[str, str], fault: str) -> None:
    text = PACKAGED.replace(*change, 1)
    assert text != PACKAGED
    with pytest.raises(RulesError, match=fault):
        parse(text)


def test_rules_that_say_nothing_of_places_have_the_packaged_ones() -> None:
    lines = [line for line in PACKAGED.splitlines() if not line.startswith("places:")]
    assert parse("\n".join(lines)).places == packaged().places


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"none\.yaml: No such file"):
        read(tmp_path / "none.yaml")
